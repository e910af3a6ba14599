"""How many tokens a request has for a model that is served elsewhere.

vLLM's own server counts them (`/tokenize`). It is asked as rarely as is safe: a token covers one
byte of text at least, so a text with no more bytes than there is room for tokens fits. Other
servers do not count; for them a token is taken to cover two ASCII characters, or one byte of any
other, which is about twice what common tokenizers need: more history is cut than must be.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.extract.endpoint import Call, Endpoint, NoSuchRoute
from pipeline.extract.engine import Request
from pipeline.extract.fitting import Fitted, fit, with_history

_TEMPLATE_TOKENS = 16  # that a chat template may add to a message, where nobody counts


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """What is known of prompts with the same roles."""

    overhead: int  # tokens beside the texts: roles and other marks, a system prompt of the template
    per_byte: float  # tokens, as in the first such prompt


class RemoteTokens:
    """Of one model. Threads may share it."""

    def __init__(self, endpoint: Endpoint, model: str):
        self._endpoint = endpoint
        self._model = model
        self._measuring = threading.Lock()
        self._shapes: dict[tuple[str, ...], _Shape | None] = {}  # None: the server does not count

    def fitted(self, request: Request, room: int) -> Fitted:
        """The request cut to its room, see `fit`; `tokens` has their number alone, no ids.

        The number is exact where the request was cut and estimated where it surely fits.
        """

        def placeholders(requests: Sequence[Request]) -> list[list[int]]:
            return [[0] * self._count(each, room) for each in requests]

        return fit([request], placeholders, lambda _: room, self._model)[0]

    def _count(self, request: Request, room: int) -> int:
        shape = self._shape(request)
        if shape is None:
            return sum(_TEMPLATE_TOKENS + _estimate(text) for text in _texts(request))
        size = sum(len(text.encode()) for text in _texts(request))
        if shape.overhead + size <= room:
            return shape.overhead + round(size * shape.per_byte)
        return self._counted(request)

    def _shape(self, request: Request) -> _Shape | None:
        roles = () if isinstance(request.prompt, str) else tuple(r for r, _ in request.prompt)
        with self._measuring:
            if roles not in self._shapes:
                self._shapes[roles] = self._measured(request)
            return self._shapes[roles]

    def _measured(self, request: Request) -> _Shape | None:
        empty = "" if isinstance(request.prompt, str) else tuple((r, "") for r, _ in request.prompt)
        try:
            overhead = self._counted(replace(request, prompt=empty, history=None))
        except NoSuchRoute:
            return None
        size = sum(len(text.encode()) for text in _texts(request))
        tokens = self._counted(request) - overhead
        return _Shape(overhead=overhead, per_byte=min(1.0, tokens / max(1, size)))

    def _counted(self, request: Request) -> int:
        prompt = with_history(request)
        body: dict[str, Any] = {"model": self._model}
        if isinstance(prompt, str):
            body["prompt"] = prompt
        else:
            body["messages"] = [{"role": role, "content": text} for role, text in prompt]
        path = f"{self._endpoint.url.removesuffix('/v1')}/tokenize"
        call = Call(row=request.row, path=path, body=body, answer="count")
        (answer,) = self._endpoint.ask(self._model, [call])
        return int(answer["count"])


def _texts(request: Request) -> list[str]:
    prompt = with_history(request)
    return [prompt] if isinstance(prompt, str) else [text for _, text in prompt]


def _estimate(text: str) -> int:
    ascii_alone = len(text.encode("ascii", "ignore"))
    return -(-ascii_alone // 2) + len(text.encode()) - ascii_alone
