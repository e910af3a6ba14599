"""Features by a sentence encoder, which costs a hundredth of what a language model does.

Each text is encoded by itself and cut to the encoder's window; a row of several texts, such as a
user of several reviews, gets the mean of their vectors. Equal texts are paid for once, whoever
wrote them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.catalog import Precision
from pipeline.extract.engine import Embed
from pipeline.extract.extraction import Extraction, embed, feature_type
from pipeline.extract.progress import Tokens, Usage
from pipeline.extract.vectors import stored_vectors

_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class SentenceRows:
    """Rows whose texts the cache knows by now, in the order in which they were asked for."""

    usage: Usage
    _extraction: Extraction
    _task: Embed
    _texts: Sequence[Sequence[str]]
    _precision: Precision

    def batches(self) -> Iterator[pa.StructArray]:
        """Structs of `feature_type`, some thousand at a time; nothing is left out of a history."""
        kind = feature_type(self._precision)
        for rows in _parts(self._texts):
            vectors, _ = embed(self._extraction, self._task, _flat(rows))
            stored, error = stored_vectors(_means(vectors, rows), self._precision)
            nought = pa.array(np.zeros(len(rows), dtype=np.int32))
            columns = {
                "vector": stored.cast(kind.field("vector").type),
                "prompt_tokens": nought,  # encoders do not tell
                "cut_history": nought,
                "rounding_error": pa.array(np.full(len(rows), error, dtype=np.float32)),
            }
            yield pa.StructArray.from_arrays(list(columns.values()), fields=list(kind))


def sentence_features(
    extraction: Extraction, model: str, texts: Sequence[Sequence[str]], precision: Precision
) -> SentenceRows:
    """A vector for each row of one text or more; `model` is a sentence encoder."""
    task = Embed(model=model)
    usages = [embed(extraction, task, _flat(rows))[1] for rows in _parts(texts)]
    return SentenceRows(
        usage=_sum(usages),
        _extraction=extraction,
        _task=task,
        _texts=texts,
        _precision=precision,
    )


def _parts(texts: Sequence[Sequence[str]]) -> Iterator[Sequence[Sequence[str]]]:
    for first in range(0, len(texts), _ROWS_AT_ONCE):
        yield texts[first : first + _ROWS_AT_ONCE]


def _flat(rows: Sequence[Sequence[str]]) -> list[str]:
    assert all(rows), "a row without a text"
    return [" ".join(text.split()) for row in rows for text in row]


def _means(vectors: np.ndarray, rows: Sequence[Sequence[str]]) -> np.ndarray:
    counts = np.array([len(row) for row in rows])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    means: np.ndarray = np.add.reduceat(vectors, starts) / counts[:, None].astype(np.float32)
    return means


def _sum(usages: Sequence[Usage]) -> Usage:
    return Usage(
        hits=sum(usage.hits for usage in usages),
        computed=sum(usage.computed for usage in usages),
        seconds=sum(usage.seconds for usage in usages),
        start_seconds=sum(usage.start_seconds for usage in usages),
        tokens=Tokens(),
        price=None,
    )
