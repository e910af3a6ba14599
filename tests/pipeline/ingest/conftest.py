"""Small raw files in both formats, and the real ones where this machine has them."""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.catalog import Catalog, Domain
from pipeline.store import Store

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture
def real() -> Callable[[str], Path]:
    def folder(name: str) -> Path:
        if not (DATA / name).is_dir():
            pytest.skip(f"the real dataset {name} is not on this machine")
        return DATA / name

    return folder


@pytest.fixture
def amazon(tmp_path: Path) -> Callable[..., Catalog]:
    """A catalog with one Amazon domain, "toys", of the given lines (objects or raw bytes)."""

    def build(
        reviews: Sequence[Any] = (),
        items: Sequence[Any] = (),
        max_rejected_rows: int = 0,
        format: Literal["amazon-2014", "amazon-2018", "amazon-2023"] = "amazon-2018",
        max_dropped_share: float = 0.05,
    ) -> Catalog:
        for name, lines in (("reviews.json.gz", reviews), ("items.json.gz", items)):
            with gzip.open(tmp_path / name, "wb") as file:
                for line in lines:
                    file.write(line if type(line) is bytes else json.dumps(line).encode())
                    file.write(b"\n")
        domain = Domain(
            name="toys",
            title="toys",
            format=format,
            reviews="reviews.json.gz",
            items="items.json.gz",
            max_rejected_rows=max_rejected_rows,
            max_dropped_share=max_dropped_share,
        )
        return Catalog(folder=tmp_path, domains={"toys": domain}, scenarios={})

    return build


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def review() -> Callable[..., dict[str, Any]]:
    def build(**changes: Any) -> dict[str, Any]:
        entry = {
            "reviewerID": "U1",
            "asin": "I1",
            "reviewerName": "Somebody",
            "overall": 4.0,
            "summary": "Nice",
            "reviewText": "Works well",
            "unixReviewTime": 86_400,
        }
        entry |= changes
        return {key: value for key, value in entry.items() if value is not ...}

    return build


@pytest.fixture
def sequences(tmp_path: Path) -> Callable[..., Catalog]:
    """A catalog with domains "a" and "b" of a small LLMCDSR folder; files can be replaced.

    A has items 0, 1, 2 (A0, A1, A2), B has items 3, 4 (B0, B1).
    """
    files = {
        "num.txt": "3\n2\n",
        "instance_num.txt": "2\n1\n1\n",
        "train_A.txt": "1\t0,1\n2\t2,0\n",
        "train_B.txt": "1\t4,3\n",
        "train_overlap.txt": "1\t3,0,4,1\n",
        "valid.txt": "1\t1,3\n",
        "test.txt": "1\t4,2\n",
    }

    def build(**changes: str) -> Catalog:
        replaced = {f"{name}.txt": text for name, text in changes.items()}
        for name, text in (files | replaced).items():
            (tmp_path / name).write_text(text)
        for half, count in (("A", 3), ("B", 2)):
            names = [f"{half}{i}" for i in range(count)]
            titles = [f"Title {name}" for name in names]
            columns = {"index": pa.array(range(count), pa.int32()), "asin": names, "title": titles}
            pq.write_table(pa.table(columns), tmp_path / f"items_{half}.parquet")
        halves: tuple[tuple[str, Literal["A", "B"]], ...] = (("a", "A"), ("b", "B"))
        domains = {
            name: Domain(name=name, title=name, format="llmcdsr", folder=".", half=half)
            for name, half in halves
        }
        return Catalog(folder=tmp_path, domains=domains, scenarios={})

    return build
