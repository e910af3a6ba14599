"""Sentence embeddings through sentence-transformers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.extract.local_models import LocalModel

_BATCH = 64


class SentenceEncoder:
    """A sentence encoder. Vectors are of unit length, pooled as its own configuration says."""

    def __init__(self, model: LocalModel):
        self._model = model
        self._encoder: Any = None

    def load(self) -> None:
        """Read the weights, once."""
        if self._encoder is None:
            from sentence_transformers import SentenceTransformer

            self._encoder = SentenceTransformer(self._model.path, trust_remote_code=False)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """One vector a text, float32 [len(texts), width]."""
        self.load()
        vectors = self._encoder.encode(
            list(texts), batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)
