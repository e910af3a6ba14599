"""Raw files become record batches: one reader for each format, chosen by the catalog.

Batches stream, so a dump need not fit in memory. Values are as the files have them; the rules
that change or drop them are in `pipeline.ingest.clean_reviews` and `clean_items`. Personal names
are never read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from pipeline.catalog import Catalog, Domain
from pipeline.ingest.formats import (
    abxi,
    amazon,
    amazon2023_histories,
    behaviour_files,
    c2dsr,
    llmcdsr,
    movielens,
    own_table,
    ratings_csv,
    recbole,
    tmall_log,
    user_sequences,
)
from pipeline.ingest.formats.rows import ReadLog


class Reader(Protocol):
    """What the module of a format offers."""

    def places(self, domain: Domain) -> dict[str, tuple[str, str]]:
        """Every file it reads: role to its path and the catalog's key that sets it."""

    def read_reviews(self, paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
        """What users did, in REVIEWS columns, any of them null."""

    def read_items(self, paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
        """Metadata in RAW_ITEMS columns; nothing where there is none."""


READERS: dict[str, Reader] = {
    "amazon-2014": amazon,
    "amazon-2018": amazon,
    "amazon-2023": amazon,
    "amazon-2023-histories": amazon2023_histories,
    "ratings-csv": ratings_csv,
    "recbole": recbole,
    "movielens": movielens,
    "llmcdsr": llmcdsr,
    "c2dsr": c2dsr,
    "abxi": abxi,
    "user-sequences": user_sequences,
    "behaviour-files": behaviour_files,
    "tmall-log": tmall_log,
    "table": own_table,
}
"""By `pipeline.catalog.Format`."""


def reader_of(domain: Domain) -> Reader:
    return READERS[str(domain.format)]


def paths_of(catalog: Catalog, domain: Domain) -> dict[str, Path]:
    """Where the domain's files must lie, by role."""
    places = reader_of(domain).places(domain)
    return {role: catalog.folder / path for role, (path, _) in places.items()}


def existing_paths(catalog: Catalog, domain: Domain) -> dict[str, Path]:
    """The paths by role, every one of them a file. ValueError names the first that is not."""
    for role, (relative, key) in reader_of(domain).places(domain).items():
        path = catalog.folder / relative
        if path.is_file():
            continue
        what = "is no file" if path.exists() else "is missing"
        raise ValueError(
            f"{path} {what}: it is {role!r} of domain {domain.name!r}, "
            f"set by domain.{domain.name}.{key}; {_remedy(domain)}"
        )
    return paths_of(catalog, domain)


def _remedy(domain: Domain) -> str:
    if domain.source == "sample":
        return "prepare the domain's raw files first, which generates it"
    if domain.download:
        return f"materialize `download` of {domain.within or domain.name!r} first: it fetches it"
    return "put the file there or correct the key in catalog.toml"
