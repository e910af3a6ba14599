"""Generation, features and sentence vectors from a server that runs the models elsewhere.

Any OpenAI-compatible server generates. Features need vLLM with this project's pooling, which
`python -m pipeline.extract.serving` starts; see there. One server hosts one model for one
operation: for another, start another, and change `engine.remote.url` or put a router in front.

Answers are kept under the served weights' `engine.remote.revision`, never under the address.
"""

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np
import orjson

from pipeline.catalog import EngineSettings, Remote
from pipeline.extract.endpoint import Call, Endpoint
from pipeline.extract.engine import (
    Embed,
    Features,
    Generate,
    Generation,
    Image,
    Prepared,
    Request,
    Task,
    Vectors,
)
from pipeline.extract.fitting import with_history
from pipeline.extract.remote_tokens import RemoteTokens
from pipeline.extract.rendering import IMAGE_TOKENS

_TEXTS = 64  # of one request for sentence vectors
_ROUNDS = 16  # a chunk: this many times the requests in flight

# What vLLM would otherwise take from the model's generation_config.json, switched off.
_NEUTRAL = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}


class RemoteEngine:
    """An `Engine` whose models run elsewhere. Connects with the first task; `close` is for good.

    The server's key, if any, is read from the environment variable COLDBRIDGE_API_KEY.
    """

    def __init__(self, settings: EngineSettings, remote: Remote):
        self._settings = settings
        self._remote = remote
        self._endpoint = Endpoint(remote)
        self._cards: dict[str, dict[str, Any]] = {}  # what the server says of each model
        self._tokens: dict[str, RemoteTokens] = {}

    def identity(self, task: Task) -> dict[str, Any]:
        operation = type(task).__name__.lower()
        return {
            "operation": operation,
            "prompt": "text",
            **asdict(task),
            "engine": "openai",
            "revision": self._remote.revision,
            "max_model_len": self._settings.max_model_len,
            "max_images": self._settings.max_images,
        }

    def chunk_rows(self, task: Task) -> int:
        if isinstance(task, Embed):
            return 2048
        return self._settings.chunk_rows or _ROUNDS * self._remote.concurrency

    def start(self, task: Task) -> None:
        """Ask the server, once, whether it serves the model.

        ValueError where it does not, or with less room than engine.max_model_len: histories
        would be cut to a length that the cache knows nothing of.
        """
        if task.model in self._cards:
            return
        card = self._endpoint.served(task.model)
        room, wanted = card.get("max_model_len"), self._settings.max_model_len
        if room and room < wanted and not isinstance(task, Embed):
            raise ValueError(
                f"{self._endpoint.url} serves {task.model!r} with max_model_len {room}, the "
                f"catalog asks for {wanted}: set engine.max_model_len = {room} or start the "
                f"server with --max-model-len {wanted}"
            )
        self._cards[task.model] = card

    def prepare(self, task: Generate | Features, requests: Sequence[Request]) -> list[Prepared]:
        self.start(task)
        if task.model not in self._tokens:
            self._tokens[task.model] = RemoteTokens(self._endpoint, task.model)
        answer = task.sampling.max_tokens if isinstance(task, Generate) else 0

        def prepared(request: Request) -> Prepared:
            images = request.images[: self._settings.max_images]
            room = self._settings.max_model_len - answer - IMAGE_TOKENS * len(images)
            fitted = self._tokens[task.model].fitted(request, room)
            return Prepared(
                request=fitted.request,
                content=_prompt(fitted.request, images),
                tokens=len(fitted.tokens),
                cut=fitted.cut,
            )

        threads = ThreadPoolExecutor(self._remote.concurrency, "count-tokens")
        try:
            return list(threads.map(prepared, requests))
        finally:  # not waited for: after an interrupt `close` ends what they wait for
            threads.shutdown(wait=False, cancel_futures=True)

    def generate(self, task: Generate, prepared: Sequence[Prepared]) -> list[Generation]:
        self.start(task)
        common = self._sampling(task)
        calls = [
            Call(
                row=each.request.row,
                path="/chat/completions" if "messages" in each.content else "/completions",
                body=common | {"seed": each.request.seed} | each.content,
                answer="choices",
            )
            for each in prepared
        ]
        answers = self._endpoint.ask(task.model, calls)
        return [_generation(answer, each) for answer, each in zip(answers, prepared, strict=True)]

    def features(self, task: Features, prepared: Sequence[Prepared]) -> Vectors:
        self.start(task)
        calls = [
            Call(
                row=each.request.row,
                path="/embeddings",
                body={
                    "model": task.model,
                    "encoding_format": "base64",
                    "use_activation": False,  # nor scaled to unit length
                    **_pooled_prompt(each.content),
                },
                answer="data",
            )
            for each in prepared
        ]
        answers = self._endpoint.ask(task.model, calls)
        tokens = np.array([answer["usage"]["prompt_tokens"] for answer in answers], dtype=np.int32)
        values = np.concatenate([_vectors(answer) for answer in answers])
        cut = np.array([each.cut for each in prepared], dtype=np.int32)
        return Vectors(values=values, prompt_tokens=tokens, cut_history=cut)

    def embed(self, task: Embed, texts: Sequence[str]) -> np.ndarray:
        self.start(task)
        # vLLM refuses what is too long for the encoder; sentence-transformers cuts it.
        extra = {"truncate_prompt_tokens": -1} if self._is_vllm(task) else {}
        calls = []
        for start in range(0, len(texts), _TEXTS):
            some = list(texts[start : start + _TEXTS])
            body = {"model": task.model, "input": some, "encoding_format": "base64", **extra}
            row = f"text {some[0][:40]!r} or one of the {len(some) - 1} after it"
            calls.append(Call(row=row, path="/embeddings", body=body, answer="data"))
        answers = self._endpoint.ask(task.model, calls)
        vectors = np.concatenate([_vectors(answer) for answer in answers])
        unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def close(self) -> None:
        self._endpoint.close()

    def _sampling(self, task: Generate) -> dict[str, Any]:
        body = {"model": task.model, **asdict(task.sampling)}
        if self._is_vllm(task):
            body |= _NEUTRAL
        if task.json_schema:
            schema = {"name": "answer", "schema": orjson.loads(task.json_schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _is_vllm(self, task: Task) -> bool:
        return self._cards[task.model].get("owned_by") == "vllm"


def _prompt(request: Request, images: Sequence[Image]) -> dict[str, Any]:
    """The part of a body that says what to answer; images stand before the last text."""
    prompt = with_history(request)
    if isinstance(prompt, str):
        if images:
            raise ValueError(f"{request.row}: a prompt with images must be a chat")
        return {"prompt": prompt}
    messages: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in prompt]
    if images:
        urls = [{"url": _data_url(image, request.row)} for image in images]
        pictures = [{"type": "image_url", "image_url": url} for url in urls]
        messages[-1]["content"] = [*pictures, {"type": "text", "text": prompt[-1][1]}]
    return {"messages": messages}


def _pooled_prompt(content: dict[str, Any]) -> dict[str, Any]:
    """A chat is pooled as `generate` would read it, up to where the answer begins."""
    if "prompt" in content:
        return {"input": content["prompt"]}
    return {**content, "add_generation_prompt": True}


def _data_url(image: Image, row: str) -> str:
    from PIL import Image as Picture
    from PIL import UnidentifiedImageError

    try:
        data = image.read()
        kind = Picture.open(io.BytesIO(data)).get_format_mimetype()
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{row}: an image cannot be decoded ({error}): leave it out") from error
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _generation(answer: dict[str, Any], prepared: Prepared) -> Generation:
    choice, usage = answer["choices"][0], answer["usage"]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    return Generation(
        text=text or "",
        finished=choice["finish_reason"] == "stop",
        prompt_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
        cut_history=prepared.cut,
    )


def _vectors(answer: dict[str, Any]) -> np.ndarray:
    """float32 [inputs, width]. Servers that know no base64 answer with numbers."""
    rows = sorted(answer["data"], key=lambda row: int(row["index"]))
    found = [row["embedding"] for row in rows]
    return np.stack(
        [
            np.frombuffer(base64.b64decode(each), dtype="<f4")
            if isinstance(each, str)
            else np.asarray(each, dtype=np.float32)
            for each in found
        ]
    )
