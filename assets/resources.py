"""The workspace that assets work in: the data folder with its catalog, store and cache.

The data folder is the project's `data/`, or what the environment variable COLDBRIDGE_DATA names.
The store is its folder `store`, or what COLDBRIDGE_STORE names: a folder, or s3://bucket/prefix.
Dagster's own state is a matter of DAGSTER_HOME and dagster.yaml.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from pipeline.catalog import Catalog, Scenario, load_catalog
from pipeline.extract.engine import Engine
from pipeline.extract.open_engine import open_engine
from pipeline.store import Store

PROJECT = Path(__file__).resolve().parent.parent


class Workspace(dg.ConfigurableResource):
    """Plain objects for pipeline functions; all but a store elsewhere lies below one folder."""

    data: str = os.environ.get("COLDBRIDGE_DATA", str(PROJECT / "data"))
    store_root: str = os.environ.get("COLDBRIDGE_STORE", "")  # empty: below `data`

    @property
    def catalog(self) -> Catalog:
        return load_catalog(Path(self.data) / "catalog.toml")

    @property
    def store(self) -> Store:
        if "://" in self.store_root:
            return Store(self.store_root, temporary=self.cache / "unfinished")
        return Store(Path(self.store_root) if self.store_root else Path(self.data) / "store")

    @property
    def cache(self) -> Path:
        return Path(self.data) / "cache"

    def scenario(self, name: str) -> Scenario:
        return self.catalog.scenarios[name]


def engine_resource(workspace: Workspace) -> dg.ResourceDefinition:
    """The engine of one run: all its assets share it, and it is shut down when the run ends,
    however it ends. Opening it loads no model."""

    @dg.resource(description="Hosts the language models, one at a time.")
    def engine(_: dg.InitResourceContext) -> Iterator[Engine]:
        with open_engine(Path(workspace.data), workspace.catalog.engine) as opened:
            yield opened

    return engine
