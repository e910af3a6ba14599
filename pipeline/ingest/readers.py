"""Raw files become record batches: one reader for each format, chosen by the catalog.

Batches stream, so a dump need not fit in memory. Text is as the files have it; the rules
that change it are in `pipeline.ingest.clean`. Personal names are never read.
"""

from collections.abc import Iterator

import pyarrow as pa

from pipeline.catalog import Catalog, Domain
from pipeline.ingest import amazon2018, llmcdsr
from pipeline.ingest.raw import existing_paths
from pipeline.ingest.rows import Tally


def read_reviews(
    catalog: Catalog, domain: Domain, tally: Tally | None = None
) -> Iterator[pa.RecordBatch]:
    """A domain's reviews in REVIEWS columns; `tally` counts rows and malformed lines.

    Raises ValueError, naming file and line, where a file is missing, cut off or not of the
    domain's format.
    """
    paths, tally = existing_paths(catalog, domain), tally or Tally()
    if domain.format == "amazon-2018":
        return amazon2018.read_reviews(paths["reviews"], domain, tally)
    return llmcdsr.read_reviews(paths, domain, tally)


def read_items(
    catalog: Catalog, domain: Domain, tally: Tally | None = None
) -> Iterator[pa.RecordBatch]:
    """A domain's metadata in ITEMS columns; `tally` and errors as in `read_reviews`."""
    paths, tally = existing_paths(catalog, domain), tally or Tally()
    if domain.format == "amazon-2018":
        return amazon2018.read_items(paths["items"], domain, tally)
    return llmcdsr.read_items(paths, domain, tally)
