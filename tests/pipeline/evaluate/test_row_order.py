"""The order of rows carries no signal: raw files and tables in another order, the same figures."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.catalog import Candidates, Catalog, Domain, Scenario, Split, Training
from pipeline.columns import SEQUENCES
from pipeline.evaluate.scores import score_system
from pipeline.ingest.items import ingest_items
from pipeline.ingest.reviews import ingest_reviews
from pipeline.prepare.candidates import build_candidates
from pipeline.prepare.interactions import build_interactions
from pipeline.prepare.sequences import build_sequences
from pipeline.prepare.vocabulary import build_vocabulary
from pipeline.store import Store
from pipeline.train.systems import train_system

COUNTING = ("popularity", "overlap_popularity", "recent_popularity", "cooccurrence", "ease")
HALVES = {"food": "A", "tools": "B"}
PER_HALF = 30
SCENARIO = Scenario(
    name="lines",
    domains=tuple(HALVES),
    split=Split(kind="published"),
    candidates=Candidates(num_negatives=9, seeds=(0, 1)),
    training=Training(seeds=(0,), max_length=6),
)


def lines() -> dict[str, list[str]]:
    """Sequence files of a small released set, each line with its own id."""
    rng = random.Random(3)
    halves = (range(PER_HALF), range(PER_HALF, 2 * PER_HALF))

    def line(number: int, half: int | None, length: int) -> str:
        both = [*rng.sample(halves[0], length), *rng.sample(halves[1], length)]
        items = rng.sample(both, len(both)) if half is None else rng.sample(halves[half], length)
        return f"{number}\t{','.join(map(str, items))}\n"

    cold = []
    for number in range(24):
        source, target = (halves[0], halves[1]) if number % 2 else (halves[1], halves[0])
        items = [*rng.sample(source, 4), rng.choice(target)]
        cold.append(f"{number}\t{','.join(map(str, items))}\n")
    return {
        "train_A": [line(number, 0, 4) for number in range(15)],
        "train_B": [line(number, 1, 4) for number in range(15)],
        "train_overlap": [line(number, None, 3) for number in range(40)],
        "valid": cold[:10],
        "test": cold[10:],
    }


def prepared(folder: Path, files: dict[str, list[str]]) -> Store:
    folder.mkdir()
    for name, content in files.items():
        (folder / f"{name}.txt").write_text("".join(content))
    (folder / "num.txt").write_text(f"{PER_HALF}\n{PER_HALF}\n")
    (folder / "instance_num.txt").write_text("15\n15\n40\n")
    for half in HALVES.values():
        names = [f"{half}{i}" for i in range(PER_HALF)]
        columns = {"index": pa.array(range(PER_HALF), pa.int32()), "asin": names, "title": names}
        pq.write_table(pa.table(columns), folder / f"items_{half}.parquet")
    domains: dict[str, Any] = {
        name: Domain(name=name, title=name, format="llmcdsr", folder=".", half=half)
        for name, half in HALVES.items()
    }
    catalog = Catalog(folder=folder, domains=domains, scenarios={"lines": SCENARIO})
    store = Store(folder / "store")
    for domain in HALVES:
        ingest_reviews(catalog, domain, store)
        ingest_items(catalog, domain, store)
    build_interactions(SCENARIO, catalog, store)
    build_vocabulary(SCENARIO, store)
    build_sequences(SCENARIO, store)
    build_candidates(SCENARIO, store)
    return store


def ranks(store: Store, system: str) -> pa.Table:
    """Ranks of a system that is counted afresh, in an order of their own."""
    train_system(system, SCENARIO, store)
    score_system(system, SCENARIO, store)
    table = store.read_table(f"scores/lines/{system}")
    keys = ("part", "pool", "candidate_seed", "user")
    return table.sort_by([(key, "ascending") for key in keys])


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return prepared(tmp_path_factory.mktemp("straight") / "raw", lines())


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    files = lines()
    for content in files.values():
        random.Random(11).shuffle(content)
    assert files != lines()
    return prepared(tmp_path_factory.mktemp("shuffled") / "raw", files)


@pytest.mark.parametrize("system", COUNTING)
def test_raw_lines_in_another_order_change_no_rank(
    straight: Store, shuffled: Store, system: str
) -> None:
    expected = ranks(straight, system)
    assert ranks(shuffled, system).equals(expected)
    assert len(set(expected["rank"].to_pylist())) > 5  # there was something to change


@pytest.mark.parametrize("system", COUNTING)
def test_sequences_in_another_order_change_no_rank(
    straight: Store, system: str, tmp_path: Path
) -> None:
    expected, other = ranks(straight, system), Store(tmp_path)
    for name in ("vocabulary", "candidates"):
        table = straight.read_table(f"{name}/lines")
        other.write_table(f"{name}/lines", table.schema, table)
    table = straight.read_table("sequences/lines")
    backwards = table.take(list(range(table.num_rows))[::-1])
    other.write_table("sequences/lines", SEQUENCES, backwards)
    assert ranks(other, system).equals(expected)
