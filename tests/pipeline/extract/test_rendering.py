"""What a model cannot be shown is refused by name, before the model is loaded."""

import json
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from pipeline.catalog import EngineSettings
from pipeline.extract.engine import Request, image_of
from pipeline.extract.local_models import resolve_model
from pipeline.extract.rendering import Renderer
from tests.tiny_models import byte_tokenizer

CHAT = (("user", "A kettle"),)
IMAGE = image_of(b"any bytes")


def renderer(folder: Path, template: str | None = "{{ messages[0]['content'] }}") -> Renderer:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    return Renderer(resolve_model("folder:.", folder), EngineSettings(max_model_len=64))


def test_a_chat_and_a_plain_text_become_their_tokens(tmp_path: Path) -> None:
    for prompt in (CHAT, "A kettle"):
        (prepared,) = renderer(tmp_path).prepare([Request(row="r", prompt=prompt)], 8)
        assert prepared.tokens == len("A kettle") and prepared.cut == 0


def test_a_model_of_text_alone_is_shown_no_image(tmp_path: Path) -> None:
    request = Request(row="item 3", prompt=CHAT, images=(IMAGE,))
    with pytest.raises(ValueError, match=r"folder:\. reads no images: name a multimodal model"):
        renderer(tmp_path).prepare([request], 8)


def test_a_chat_wants_a_template(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"folder:\. has no chat template: use a prompt that is"):
        renderer(tmp_path, template=None).prepare([Request(row="r", prompt=CHAT)], 8)
