"""Sentence embeddings through sentence-transformers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.extract.local_models import LocalModel

_BATCH = 64


class SentenceEncoder:
    """A sentence encoder, loaded with the first text that the cache does not know.

    Vectors are float32 of unit length, pooled as the model's own configuration says.
    """

    def __init__(self, model: LocalModel):
        self._model = model
        self._encoder: Any = None

    def identity(self) -> dict[str, Any]:
        return {
            "engine": "sentence-transformers",
            "model": self._model.name,
            "revision": self._model.revision,
            "normalized": True,
        }

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """One vector a text, [len(texts), width]."""
        if self._encoder is None:
            from sentence_transformers import SentenceTransformer

            self._encoder = SentenceTransformer(self._model.path, trust_remote_code=False)
        vectors = self._encoder.encode(
            list(texts), batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)
