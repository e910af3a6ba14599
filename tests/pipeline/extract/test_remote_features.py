"""A real server of vLLM that pools; its vectors are those of vLLM in this process."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from pipeline.extract.engine import (
    HISTORY,
    Embed,
    Features,
    Generate,
    Image,
    Request,
    Sampling,
    image_of,
)
from pipeline.extract.remote_engine import RemoteEngine
from pipeline.extract.vllm_engine import VllmEngine
from tests.pipeline.extract.vllm_server import SETTINGS, vllm_serving
from tests.tiny_models import WIDTH, smollm2_tokenizer, tiny_minicpmv

MODEL = "folder:tiny-minicpmv"
TASK = Features(model=MODEL, prompt="p/1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    tiny_minicpmv(folder / "tiny-minicpmv", smollm2_tokenizer(), linear_attention=False)
    return folder


@pytest.fixture(scope="module")
def remote(data: Path) -> Iterator[RemoteEngine]:
    with vllm_serving(data, "features", MODEL) as engine:
        yield engine


def picture(shade: int) -> Image:
    buffer = io.BytesIO()
    Picture.new("RGB", (80, 60), (shade, 90, 200 - shade)).save(buffer, format="PNG")
    return image_of(buffer.getvalue())


def test_a_server_pools_as_the_engine_in_this_process_does_images_included(
    remote: RemoteEngine, data: Path
) -> None:
    reviews = tuple(f"review number {i} about a kettle" for i in range(200))
    chat = (("system", "You sell tea."), ("user", f"Reviews:\n{HISTORY}"))
    chats = [Request(row=f"u{i}", prompt=chat, history=reviews[: 1 + 45 * i]) for i in range(5)]
    texts = [Request(row=f"t{i}", prompt=f"Tea number {i} is fine") for i in range(3)]
    shown = [  # of two images the second is left out
        Request(row=f"i{i}", prompt=(("user", "A teapot."),), images=(picture(i), picture(0)))
        for i in (10, 180)
    ]
    with VllmEngine(data, SETTINGS) as local:
        for requests in (chats, texts, shown):
            found = remote.features(TASK, remote.prepare(TASK, requests))
            wanted = local.features(TASK, local.prepare(TASK, requests))
            assert found.values.dtype == np.float32 and found.values.shape[1] == WIDTH
            np.testing.assert_allclose(found.values, wanted.values, atol=1e-4)
            assert found.prompt_tokens.tolist() == wanted.prompt_tokens.tolist()
            assert found.cut_history.tolist() == wanted.cut_history.tolist()
            assert np.abs(found.values[0] - found.values[1]).max() > 1e-3  # images were seen
    assert remote.prepare(TASK, chats)[-1].cut > 0


def test_sentence_vectors_are_of_unit_length_and_long_texts_are_cut(remote: RemoteEngine) -> None:
    texts = [f"tea {i}" for i in range(70)] + ["tea " * 5000, "tea 3"]
    vectors = remote.embed(Embed(model=MODEL), texts)
    assert vectors.dtype == np.float32 and vectors.shape == (72, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[3], vectors[71], atol=1e-5)
    assert np.abs(vectors[3] - vectors[4]).max() > 1e-3


def test_a_server_for_features_does_not_generate_and_says_what_does(remote: RemoteEngine) -> None:
    task = Generate(model=MODEL, prompt="p/1", sampling=Sampling())
    plain = remote.prepare(task, [Request(row="t", prompt="Tea")])
    with pytest.raises(ValueError, match=r"completions does not exist.*serving\.py"):
        remote.generate(task, plain)


def test_an_image_that_is_none_is_named(remote: RemoteEngine) -> None:
    broken = Request(row="item B1", prompt=(("user", "?"),), images=(image_of(b"<html>"),))
    with pytest.raises(ValueError, match="item B1: an image cannot be decoded"):
        remote.prepare(TASK, [broken])
