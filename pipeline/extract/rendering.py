"""Requests as vLLM takes them: rendered by the model's chat template, tokenised, images decoded."""

import io
from collections.abc import Sequence
from typing import Any

from pipeline.catalog import EngineSettings
from pipeline.extract.engine import Image, Prepared, Request
from pipeline.extract.fitting import Fitted, fit, with_history
from pipeline.extract.hosting import reads_images
from pipeline.extract.local_models import LocalModel

IMAGE_TOKENS = 640  # kept free for each image; MiniCPM-V cuts one into at most ten slices of 64


class Renderer:
    """Of one model. Needs its tokenizer alone, so that rows can be planned before it is loaded."""

    def __init__(self, model: LocalModel, settings: EngineSettings):
        from transformers import AutoTokenizer

        self._model = model
        self._settings = settings
        self._tokenizer = AutoTokenizer.from_pretrained(model.path, trust_remote_code=False)

    def prepare(self, requests: Sequence[Request], answer_tokens: int) -> list[Prepared]:
        """Every request, cut where needed so that an answer of `answer_tokens` has room."""
        return [
            Prepared(
                request=each.request,
                content=self._content(each.request, each.tokens),
                tokens=len(each.tokens),
                cut=each.cut,
            )
            for each in self.fitted(requests, answer_tokens)
        ]

    def fitted(self, requests: Sequence[Request], answer_tokens: int) -> list[Fitted]:
        """The same without contents: no image is decoded."""
        room = self._settings.max_model_len - answer_tokens
        return fit(
            requests,
            self._tokenized,
            lambda request: room - IMAGE_TOKENS * len(self._shown(request)),
            self._model.name,
        )

    def _tokenized(self, requests: Sequence[Request]) -> list[list[int]]:
        if not requests:
            return []
        texts = [self._rendered(request) for request in requests]
        # A chat template writes its special tokens itself.
        plain = isinstance(requests[0].prompt, str)
        ids: list[list[int]] = self._tokenizer(texts, add_special_tokens=plain).input_ids
        return ids

    def _rendered(self, request: Request) -> str:
        prompt, images = with_history(request), self._shown(request)
        if images and not reads_images(self._model):
            raise ValueError(
                f"{self._model.name} reads no images: name a multimodal model, or leave out the "
                "domain's images in the catalog"
            )
        if isinstance(prompt, str):
            if images:
                raise ValueError(f"{request.row}: a prompt with images must be a chat")
            return prompt
        if self._tokenizer.chat_template is None:
            raise ValueError(
                f"{self._model.name} has no chat template: use a prompt that is plain text"
            )
        messages: list[dict[str, Any]] = [{"role": r, "content": text} for r, text in prompt]
        if images:
            pictures = [{"type": "image"} for _ in images]
            messages[-1]["content"] = [*pictures, {"type": "text", "text": prompt[-1][1]}]
        rendered = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return str(rendered)

    def _content(self, request: Request, tokens: list[int]) -> dict[str, Any]:
        images = self._shown(request)
        if not images:
            return {"prompt_token_ids": tokens}
        # vLLM's processor puts each image's tokens in place, so it wants the text.
        pictures = [_decoded(image, request.row) for image in images]
        return {"prompt": self._rendered(request), "multi_modal_data": {"image": pictures}}

    def _shown(self, request: Request) -> tuple[Image, ...]:
        return request.images[: self._settings.max_images]


def _decoded(image: Image, row: str) -> Any:
    from PIL import Image as Picture
    from PIL import UnidentifiedImageError

    try:
        return Picture.open(io.BytesIO(image.read())).convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{row}: an image cannot be decoded ({error}): leave it out") from error
