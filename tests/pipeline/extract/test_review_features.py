"""User features: who gets one, from which words, and what is said of those who do not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.catalog import Domain, FeatureModels
from pipeline.columns import REVIEWS
from pipeline.extract.engine import Embed
from pipeline.extract.extraction import Extraction
from pipeline.extract.review_features import build_review_features
from pipeline.extract.row_cache import RowCache
from pipeline.store import Store
from tests.pipeline.extract.echo_engine import EchoEngine

DOMAIN = Domain(
    name="tea",
    title="fine teas",
    format="amazon-2018",
    features=FeatureModels(user_model="echo", precision="float32"),
)
REVIEWED = [
    ("ann", 30, "aaa third"),
    ("ann", 10, "eee first"),
    ("bob", 10, "  "),
    ("cid", 10, "ooo only"),
    ("ann", 20, None),
    ("dan", 10, None),
]


class Recording(EchoEngine):
    def __init__(self) -> None:
        super().__init__(chunk=100)
        self.texts: dict[str, str] = {}

    def features(self, task: Any, prepared: Any) -> Any:
        self.texts |= {each.request.row: each.content for each in prepared}
        return super().features(task, prepared)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    rows = [
        {"user_id": user, "item_id": f"i{number}", "timestamp": time, "text": text}
        for number, (user, time, text) in enumerate(REVIEWED)
    ]
    store.write_table("reviews/tea", REVIEWS, pa.Table.from_pylist(rows, schema=REVIEWS))
    return store


def build(store: Store, engine: EchoEngine, **changes: Any) -> Any:
    assert DOMAIN.features
    domain = replace(DOMAIN, features=replace(DOMAIN.features, **changes))
    extraction = Extraction(engine=engine, cache=RowCache(store.root / "rows"))
    return build_review_features(domain, store, extraction)


def test_users_are_read_by_their_words_oldest_first(store: Store) -> None:
    engine = Recording()
    outcome = build(store, engine)
    assert set(engine.texts) == {"user ann", "user cid"}
    text = engine.texts["user ann"]
    assert "fine teas" in text and text.index("- eee first") < text.index("- aaa third")
    assert "only" not in text
    rows = store.read_table("review_features/tea")
    assert rows["user_id"].to_pylist() == ["ann", "cid"]
    assert rows["reviews"].to_pylist() == [2, 1]
    vectors = np.array(rows["vector"].to_pylist())
    assert vectors.shape == (2, 4) and (vectors[0] != vectors[1]).any()
    assert outcome.facts["users_without_text"] == 2
    assert (outcome.facts["reviews_read"], outcome.facts["computed"]) == (3, 2)
    assert "vector" not in outcome.preview.column_names


def test_what_does_not_fit_is_cut_and_counted_also_from_the_cache(store: Store) -> None:
    rows = [
        {"user_id": "eve", "item_id": f"i{n}", "timestamp": n, "text": "word " * 15}
        for n in range(6)
    ]
    store.write_table("reviews/tea", REVIEWS, pa.Table.from_pylist(rows, schema=REVIEWS))
    engine = EchoEngine()
    first, again = build(store, engine), build(store, engine)
    assert len(engine.chunks) == 1
    for outcome in (first, again):
        assert (outcome.facts["rows_cut_to_fit"], outcome.facts["history_entries_cut"]) == (1, 4)
        assert outcome.facts["reviews_read"] == 2
    assert store.read_table("review_features/tea")["cut_reviews"].to_pylist() == [4]


def test_a_sample_of_users_grows_by_those_it_lacks(store: Store) -> None:
    rows = [
        {"user_id": f"u{n:02}", "item_id": "i", "timestamp": n, "text": f"word {n}"}
        for n in range(30)
    ]
    store.write_table("reviews/tea", REVIEWS, pa.Table.from_pylist(rows, schema=REVIEWS))

    def sampled(count: int, seed: int = 0) -> set[str]:
        build(store, EchoEngine(), max_users=count, seed=seed)
        return set(store.read_table("review_features/tea")["user_id"].to_pylist())

    small = sampled(5)
    assert len(small) == 5 and small < sampled(10) and small != sampled(5, seed=1)


def test_nobody_to_read_is_an_error_with_a_remedy(store: Store) -> None:
    with pytest.raises(ValueError, match="of 4 users 2 wrote any text, and none 3 reviews: lower"):
        build(store, EchoEngine(), min_user_reviews=3)


def test_a_sentence_encoder_reads_each_review_by_itself_and_their_vectors_are_averaged(
    store: Store,
) -> None:
    engine = EchoEngine(chunk=100)
    outcome = build(store, engine, pooling="sentence")
    rows = {row["user_id"]: row for row in store.read_table("review_features/tea").to_pylist()}
    assert list(rows) == ["ann", "cid"]
    first, third, only = engine.embed(Embed(model="echo"), ["eee first", "aaa third", "ooo only"])
    np.testing.assert_allclose(rows["ann"]["vector"], (first + third) / 2, rtol=1e-6)
    np.testing.assert_allclose(rows["cid"]["vector"], only, rtol=1e-6)
    assert (outcome.facts["computed"], outcome.facts["reviews_read"]) == (3, 3)
    again = build(store, EchoEngine(chunk=100), pooling="sentence")
    assert (again.facts["from_cache"], again.facts["computed"]) == (3, 0)
    assert again.artifact.digest == outcome.artifact.digest
