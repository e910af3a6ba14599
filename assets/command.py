"""What the commands of this folder share: names of the catalog, Dagster's instance, and how they
tell errors."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from assets.resources import PROJECT
from pipeline.catalog import Catalog


def check_names(parser: ArgumentParser, catalog: Catalog, names: Sequence[str]) -> None:
    """Exit with the parser's error where a name is neither a scenario nor a domain."""
    for name in names:
        if name not in {**catalog.scenarios, **catalog.domains}:
            parser.error(
                f"unknown scenario {name!r}; known: {', '.join(catalog.scenarios)}; "
                f"domains: {', '.join(catalog.domains)}"
            )


def open_instance() -> dg.DagsterInstance:
    """The one that the UI shows too."""
    os.chdir(PROJECT)  # dagster.yaml keeps its state in data/.dagster, relative to the root
    os.environ.setdefault("DAGSTER_HOME", str(PROJECT))
    return dg.DagsterInstance.get()


@contextmanager
def errors_for_people() -> Iterator[None]:
    """A ValueError is meant for people: its message ends the command, with status 1 and without a
    traceback. That of a step is in the log of its run, which the UI shows."""
    try:
        yield
    except ValueError as error:
        sys.exit(f"error: {error}")
