"""Checks of what models extracted, on tables and tensors written by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.numpy import save_file

from pipeline.columns import review_feature_schema
from pipeline.digest import digest_arrays
from pipeline.extract.title_check import few_are_empty
from pipeline.extract.vector_checks import features_are_finite, item_vectors_are_whole
from pipeline.store import Store
from tests.pipeline.retrieve.stored_titles import write_titles


def write_item_text(store: Store, vectors: np.ndarray) -> None:
    """As a broken writer would: the store itself refuses what is not finite."""
    store.write_tensors("item_text/little", {"vectors": torch.zeros(1)})
    digest = digest_arrays({"vectors": vectors})
    path = store.path("item_text/little", ".safetensors")
    save_file({"vectors": vectors}, path, metadata={"coldbridge.digest": digest})


@pytest.mark.parametrize(
    ("row", "value", "figure"),
    [(3, np.nan, "not finite"), (3, np.inf, "not finite"), (5, 0.0, "zero"), (0, 1.0, None)],
)
def test_a_broken_item_vector_is_found(
    world: Any, row: int, value: float, figure: str | None
) -> None:
    vectors = np.ones((25, 4), dtype=np.float32)
    vectors[0] = 0
    write_item_text(world.store, vectors)
    assert item_vectors_are_whole(world.scenario, world.store).passed
    vectors[row] = value
    write_item_text(world.store, vectors)
    found = item_vectors_are_whole(world.scenario, world.store)
    assert not found.passed
    assert figure is None or found.figures[figure] == 1
    assert figure is not None or "padding" in found.says


def write_features(store: Store, vectors: np.ndarray) -> None:
    schema = review_feature_schema(pa.list_(pa.float32(), vectors.shape[1]))
    rows = [
        {"user_id": str(user), "vector": vector, "reviews": 1, "cut_reviews": 0}
        for user, vector in enumerate(vectors)
    ]
    store.write_table("review_features/tea", schema, pa.Table.from_pylist(rows, schema=schema))


@pytest.mark.parametrize(("value", "figure"), [(np.nan, "not finite"), (0.0, "zero")])
def test_features_must_be_finite_and_a_few_may_be_zero(
    tmp_path: Path, value: float, figure: str
) -> None:
    store, vectors = Store(tmp_path), np.ones((6, 3), dtype=np.float32)
    write_features(store, vectors)
    assert features_are_finite("review_features", "tea", store).passed
    vectors[2] = value
    write_features(store, vectors)
    found = features_are_finite("review_features", "tea", store)
    assert found.passed == (figure == "zero") and found.figures[figure] == 1
    write_features(store, np.full_like(vectors, value))
    assert not features_are_finite("review_features", "tea", store).passed


def test_more_than_a_fifth_without_a_title_is_too_many(world: Any) -> None:
    titled = [(user, "single", "tools", ["Fine tools"]) for user in range(4)]
    write_titles(world, [*titled, (4, "single", "tools", [])])
    found = few_are_empty(world.scenario, world.store)
    assert found.passed and found.figures["share without a title"] == 0.2
    assert found.figures["titles of a user"] == 0.8
    write_titles(world, [*titled[1:], (0, "single", "tools", []), (4, "single", "tools", [])])
    found = few_are_empty(world.scenario, world.store)
    assert not found.passed and found.figures["share without a title"] == 0.4


def test_titles_of_nobody_are_no_titles(world: Any) -> None:
    write_titles(world, [])
    assert not few_are_empty(world.scenario, world.store).passed
