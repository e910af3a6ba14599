"""An OpenAI-compatible server, asked many things at a time.

The `openai` client sends, tries again and backs off. It runs in an event loop in a thread of its
own, so that whoever waits for answers can be interrupted at any moment; that cancels the rest.
"""

import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from pipeline.catalog import Remote

KEY = "COLDBRIDGE_API_KEY"

_NO_SUCH_ROUTE = (404, 405, 501)
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Call:
    row: str  # whose it is, for messages to people
    path: str  # below the server's address, or a whole address
    body: dict[str, Any] | None  # None: GET
    answer: str  # a key that its answer must have


@dataclass(frozen=True, kw_only=True)
class _Failure:
    call: Call
    error: Exception
    answered: int  # calls of the same batch


class NoSuchRoute(ValueError):
    """The server does not offer what was asked of it."""


class Endpoint:
    """Connects with the first call; once closed it stays so."""

    def __init__(self, remote: Remote):
        self._remote = remote
        self._key = os.environ.get(KEY, "")
        self._opening = threading.Lock()
        self._waiting: set[Future[Any]] = set()
        self._resources = ExitStack()
        self._portal: Any = None
        self._client: Any = None
        self._closed = False

    @property
    def url(self) -> str:
        return self._remote.url.rstrip("/")

    def served(self, model: str) -> dict[str, Any]:
        """What the server says of a model. ValueError where it serves others alone."""
        (answer,) = self.ask(model, [Call(row=model, path="/models", body=None, answer="data")])
        cards = {str(card["id"]): card for card in answer["data"]}
        if model not in cards:
            raise ValueError(
                f"{self.url} does not serve {model!r} but {', '.join(map(repr, cards))}: start the "
                f"server with --served-model-name {model} or name a served model in the catalog"
            )
        found: dict[str, Any] = cards[model]
        return found

    def ask(self, model: str, calls: Sequence[Call]) -> list[dict[str, Any]]:
        """Answers in the order of the calls, at most `concurrency` of which are in flight.

        Raises ConnectionError where the server fails after all attempts, ValueError where it
        refuses the key or a row, NoSuchRoute where it does not know the path. The first failure
        cancels the other calls.
        """
        answers, failure = self._wait(self._ask, calls)
        if failure is not None:  # outside any `except`: the client's own error may name the key
            raise self._explained(model, failure, len(calls))
        found: list[dict[str, Any]] = answers
        return found

    def close(self) -> None:
        """Cancel what is in flight, and disconnect."""
        with self._opening:
            self._closed = True
            portal, self._portal = self._portal, None
        if portal is not None:
            for future in tuple(self._waiting):
                future.cancel()
            portal.call(self._client.close)
            portal.call(portal.stop, True)
            self._resources.close()

    def _wait(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        future = self._opened().start_task_soon(function, *arguments)
        self._waiting.add(future)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            self._waiting.discard(future)

    def _opened(self) -> Any:
        with self._opening:
            if self._closed:
                raise RuntimeError(f"the connection to {self.url} has been closed")
            if self._portal is None:
                from anyio.from_thread import start_blocking_portal
                from openai import AsyncOpenAI, Timeout

                seconds = self._remote.timeout_seconds
                self._client = AsyncOpenAI(
                    base_url=self.url,
                    api_key=self._key or "none",
                    max_retries=self._remote.attempts - 1,
                    timeout=Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
                )
                self._portal = self._resources.enter_context(start_blocking_portal())
            return self._portal

    async def _ask(
        self, calls: Sequence[Call]
    ) -> tuple[list[dict[str, Any] | None], _Failure | None]:
        import anyio
        from openai import OpenAIError

        limit = anyio.CapacityLimiter(self._remote.concurrency)
        answers: list[dict[str, Any] | None] = [None] * len(calls)
        failures: list[_Failure] = []

        async def one(number: int, call: Call) -> None:
            async with limit:
                try:
                    answers[number] = await self._send(call)
                except (OpenAIError, ValueError) as error:
                    answered = sum(answer is not None for answer in answers)
                    failures.append(_Failure(call=call, error=error, answered=answered))
                    group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            for number, call in enumerate(calls):
                group.start_soon(one, number, call)
        return answers, failures[0] if failures else None

    async def _send(self, call: Call) -> dict[str, Any]:
        if call.body is None:
            answer = await self._client.get(call.path, cast_to=object)
        else:
            answer = await self._client.post(call.path, body=call.body, cast_to=object)
        if not isinstance(answer, dict) or call.answer not in answer:
            raise ValueError(f"its answer has no {call.answer!r}: {answer!r}")
        return answer

    def _explained(self, model: str, failure: _Failure, total: int) -> Exception:
        from openai import APIConnectionError, APIStatusError

        error, call = failure.error, failure.call
        where = f"{self.url}{call.path}" if call.path.startswith("/") else call.path
        said = self._without_key(error)
        status = error.status_code if isinstance(error, APIStatusError) else None
        if status in (401, 403):
            state = "is not accepted" if self._key else "is not set"
            return ValueError(
                f"{where} wants a key (HTTP {status}), and the environment variable {KEY} "
                f"{state}: set it to the server's key"
            )
        if status in _NO_SUCH_ROUTE:
            return NoSuchRoute(
                f"{where} does not exist for {model} (HTTP {status}: {said}): a server hosts a "
                "model for one operation; see pipeline/extract/serving.py for how to start another"
            )
        if isinstance(error, APIConnectionError) or (status and (status == 429 or status >= 500)):
            lost = f"{failure.answered} of this batch's {total} requests were answered and are lost"
            return ConnectionError(
                f"{where} failed with {model}, {self._remote.attempts} attempts: {said}. {lost}; "
                "all that was committed before is kept. See to the server and run again: the run "
                "goes on where it stopped"
            )
        if status is None:
            return ValueError(
                f"{where} is not an OpenAI-compatible server, {said}: correct engine.remote.url"
            )
        return ValueError(
            f"{call.row}: {where} refused it for {model} (HTTP {status}): {said}; where it is too "
            "long, set engine.max_model_len to the server's --max-model-len"
        )

    def _without_key(self, error: Exception) -> str:
        """What went wrong, in short; a server may repeat the key that it was sent."""
        from openai import APIStatusError, APITimeoutError

        said = error.response.text if isinstance(error, APIStatusError) else str(error)
        if isinstance(error, APITimeoutError):
            said = f"no answer within {self._remote.timeout_seconds:g} s"
        elif error.__cause__ is not None:
            said += f" ({error.__cause__})"
        said = " ".join(said.split())
        return (said.replace(self._key, "***") if self._key else said)[:500]
