"""What a run will cost, how it goes, and what it took: for the log and the UI.

Before the first row: how many rows and tokens, and their price. After the first chunk, which is
the warm-up that is measured: how long the rest will take. Then rate and time to go.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.catalog import Price
from pipeline.outcome import Fact
from pipeline.report import PROGRESS, SECONDS_BETWEEN_REPORTS, Report

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Of a model's input and output."""

    prompt: int = 0
    output: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(prompt=self.prompt + other.prompt, output=self.output + other.output)

    @property
    def total(self) -> int:
        return self.prompt + self.output

    def cost(self, price: Price) -> str:
        """Money, as people read it."""
        money = (self.prompt * price.input + self.output * price.output) / 1000
        return f"{money:.4g} {price.currency}"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a run took from the cache and what it had to compute."""

    hits: int
    computed: int
    seconds: float  # computing, commits included, without the model's start
    start_seconds: float
    tokens: Tokens  # of the computed rows
    price: Price | None

    def facts(self) -> dict[str, Fact]:
        facts: dict[str, Fact] = {"from_cache": self.hits, "computed": self.computed}
        if not self.computed:
            return facts
        facts |= {
            "compute_seconds": round(self.seconds, 1),
            "model_start_seconds": round(self.start_seconds, 1),
            "rows_per_second": round(self.computed / self.seconds, 2),
        }
        if self.tokens.total:
            facts["prompt_tokens"] = self.tokens.prompt
            if self.tokens.output:
                facts["output_tokens"] = self.tokens.output
            facts["tokens_per_second"] = round(self.tokens.total / self.seconds, 1)
        if self.price:
            facts["cost"] = self.tokens.cost(self.price)
        return facts


class Meter:
    """Follows one run. `sizes` are the characters of the rows to compute, in their order."""

    def __init__(
        self, name: str, hits: int, sizes: np.ndarray, price: Price | None, report: Report
    ):
        self._name, self._hits, self._price, self._tell = name, hits, price, report
        self._sizes = np.concatenate([[0], np.cumsum(sizes + 1)])  # +1: an empty text costs too
        self._total = len(sizes)
        self._done = 0
        self._tokens = Tokens()
        self._last_report = -np.inf
        self._start_seconds = 0.0
        self._started = time.perf_counter()

    def plan(self, sampled: Tokens, sampled_size: float) -> None:
        """State what is to be done; tokens are extrapolated by length from a sample of rows."""
        scale = float(self._sizes[-1]) / sampled_size if sampled_size else 0.0
        expected = Tokens(
            prompt=round(sampled.prompt * scale), output=round(sampled.output * scale)
        )
        figures: dict[str, Fact] = {"rows_from_cache": self._hits, "rows_to_compute": self._total}
        if expected.total:
            figures["prompt_tokens_expected"] = expected.prompt
            if expected.output:
                figures["output_tokens_at_most"] = expected.output
            if self._price:
                figures["cost_at_most"] = expected.cost(self._price)
        self._report("plan", figures)

    def computing(self) -> None:
        """The model is loaded: time from here on is the rows' own."""
        self._start_seconds = time.perf_counter() - self._started
        self._started = time.perf_counter()

    def add(self, rows: int, tokens: Tokens) -> None:
        """Count rows that were computed and committed; report now and then."""
        first = self._done == 0
        self._done += rows
        self._tokens += tokens
        now, finished = time.perf_counter(), self._done >= self._total
        if first and not finished:
            self._report("estimate", self._figures(now))
        elif finished or now - self._last_report >= SECONDS_BETWEEN_REPORTS:
            self._report(PROGRESS, self._figures(now))

    def skip(self, rows: int) -> None:
        """Count rows that another process has committed meanwhile."""
        self._hits += rows
        self._total -= rows

    def usage(self) -> Usage:
        return Usage(
            hits=self._hits,
            computed=self._done,
            seconds=time.perf_counter() - self._started,
            start_seconds=self._start_seconds,
            tokens=self._tokens,
            price=self._price,
        )

    def _figures(self, now: float) -> dict[str, Fact]:
        seconds = max(now - self._started, 1e-9)
        done, size = self._done, float(self._sizes[-1])
        share = float(self._sizes[min(done, len(self._sizes) - 1)]) / size if size else 1.0
        figures: dict[str, Fact] = {
            "rows_done": done,
            "rows_to_compute": self._total,
            "rows_from_cache": self._hits,
            "rows_per_second": round(done / seconds, 2),
            "seconds_to_go": round(seconds * (1 - share) / share, 1),
        }
        if self._tokens.total:
            figures["tokens_per_second"] = round(self._tokens.total / seconds, 1)
            if self._price:
                figures["cost_so_far"] = self._tokens.cost(self._price)
        return figures

    def _report(self, headline: str, figures: Mapping[str, Fact]) -> None:
        self._last_report = time.perf_counter()
        listed = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
        log.info("%s, %s: %s", self._name, headline, listed)
        self._tell(headline, figures)
