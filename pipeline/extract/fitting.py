"""Prompts that are too long for the model: history is cut, oldest first.

The newest entry alone may still be too long (a review can be): then its end is cut, so that
something of it is read. What stands outside the history is never cut.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pipeline.extract.engine import HISTORY, Request

Tokenize = Callable[[Sequence[Request]], list[list[int]]]
"""Token ids of each request, its history put in place."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    request: Request  # with the history that is left
    tokens: list[int]
    cut: int  # entries left out, and one more where the newest was shortened


def with_history(request: Request) -> str | tuple[tuple[str, str], ...]:
    """The request's prompt with its history in place, one entry a line."""
    if request.history is None:
        return request.prompt
    lines = "\n".join(request.history)
    if isinstance(request.prompt, str):
        return request.prompt.replace(HISTORY, lines)
    *before, (role, content) = request.prompt
    return (*before, (role, content.replace(HISTORY, lines)))


def fit(
    requests: Sequence[Request], tokenize: Tokenize, room_of: Callable[[Request], int], model: str
) -> list[Fitted]:
    """Every request within its room in tokens; those that fit are tokenised all together, once.

    Raises ValueError naming a row whose history is empty where its prompt wants one, or that is
    too long without any history.
    """
    for request in requests:
        if request.history == ():
            raise ValueError(
                f"{request.row} has an empty history, and its prompt is about nothing else: "
                "leave the row out"
            )
    fitted = []
    for request, tokens in zip(requests, tokenize(requests), strict=True):
        if len(tokens) <= room_of(request):
            fitted.append(Fitted(request=request, tokens=tokens, cut=0))
        else:
            fitted.append(_cut(request, tokenize, room_of(request), model))
    return fitted


def _cut(request: Request, tokenize: Tokenize, room: int, model: str) -> Fitted:
    def ids(history: tuple[str, ...]) -> list[int]:
        return tokenize([replace(request, history=history)])[0]

    history = request.history or ()
    fixed = len(ids(()))
    if fixed > room or not history:
        raise ValueError(
            f"{request.row}: the prompt has {fixed} tokens beside its history, {model} has room "
            f"for {room}: raise engine.max_model_len in the catalog or shorten the prompt"
        )
    kept = _largest(len(history), lambda count: len(ids(history[len(history) - count :])) <= room)
    left = history[len(history) - kept :]
    cut = len(history) - kept
    if not left:
        newest = history[-1]
        size = _largest(len(newest), lambda count: len(ids((newest[:count],))) <= room)
        left = (newest[:size],)
    return Fitted(request=replace(request, history=left), tokens=ids(left), cut=cut)


def _largest(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest count up to `limit` that fits, by bisection; 0 always does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
