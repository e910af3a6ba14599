"""Frozen text vectors, of items and of any other text, each embedded once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.catalog import Scenario
from pipeline.digest import digest_json
from pipeline.extract.cache import CacheUse, RowCache, cached_map
from pipeline.extract.engine import TextEncoder
from pipeline.outcome import Outcome
from pipeline.store import Store

_CHUNK_ROWS = 2048


def embed_texts(
    texts: Sequence[str], encoder: TextEncoder, cache: RowCache
) -> tuple[np.ndarray, CacheUse]:
    """Vectors [len(texts), width], float32 of unit length, in the order of the texts."""
    identity = encoder.identity()
    vectors, use = cached_map(
        cache,
        texts,
        key_of=lambda text: digest_json([identity, text]),
        compute=lambda chunk: list(encoder.embed(chunk)),
        chunk_rows=_CHUNK_ROWS,
    )
    return np.asarray(vectors, dtype=np.float32), use


def text_cache(folder: Path) -> RowCache:
    """The cache of text vectors below the cache folder."""
    return RowCache(folder, "text-vectors", pa.list_(pa.float32()))


def build_item_text(
    scenario: Scenario, store: Store, encoder: TextEncoder, cache: RowCache
) -> Outcome:
    """Write `item_text/<scenario>`: tensor `vectors` [num_items + 1, width], row 0 is padding.

    Texts are title, category and brand; see pipeline/prepare/vocabulary.py.
    """
    import torch

    texts = store.read_table(f"vocabulary/{scenario.name}", ["item", "text"])
    assert texts["item"].to_pylist() == list(range(1, texts.num_rows + 1))
    vectors, use = embed_texts(texts["text"].to_pylist(), encoder, cache)
    with_padding = np.concatenate([np.zeros_like(vectors[:1]), vectors])
    artifact = store.write_tensors(
        f"item_text/{scenario.name}",
        {"vectors": torch.from_numpy(with_padding)},
        {"model": str(encoder.identity()["model"]), "pooling": "as the model's configuration"},
    )
    return Outcome(
        artifact=artifact,
        facts={
            "items": len(vectors),
            "width": vectors.shape[1],
            "from_cache": use.hits,
            "computed": use.computed,
            "rows_per_second": round(use.rows_per_second, 1),
        },
    )
