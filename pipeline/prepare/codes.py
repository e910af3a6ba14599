"""Ids as integers: strings are hashed to 64 bits, hashes numbered, and all that counts is integer.

Two ids of 54 million, the users of all of Amazon 2023, share a hash with a chance of 1 in 12,000.
The hash is Polars' own: codes live in one process and are never stored.
"""

import numpy as np
import polars as pl

_ROWS_AT_A_TIME = 8_000_000


def id_hashes(ids: pl.Series) -> np.ndarray:
    """uint64, the same for the same id in every column of one process."""
    return ids.hash(seed=0).to_numpy()


def dense_codes(hashes: np.ndarray) -> tuple[np.ndarray, int]:
    """Hashes [n] numbered from 0: int32 codes [n], and how many there are.

    Hashes are numbered part by part, a part being those with the same remainder, so that no more
    than some 8 million are sorted at once: 12 bytes a row in all, the hashes included.
    """
    codes = np.empty(len(hashes), dtype=np.int32)
    num_parts = max(-(-len(hashes) // _ROWS_AT_A_TIME), 1)
    num_codes = 0
    for part in range(num_parts):
        rows = _rows_of(hashes, part, num_parts)
        distinct, inverse = np.unique(hashes[rows], return_inverse=True)
        codes[rows] = inverse + num_codes
        num_codes += len(distinct)
    return codes, num_codes


def _rows_of(hashes: np.ndarray, part: int, num_parts: int) -> np.ndarray:
    """Where the hashes of a part are, looked for in pieces: remainders of all take room."""
    starts = range(0, max(len(hashes), 1), _ROWS_AT_A_TIME)
    pieces = (hashes[start : start + _ROWS_AT_A_TIME] for start in starts)
    found = [
        np.flatnonzero(piece % np.uint64(num_parts) == part) + start
        for start, piece in zip(starts, pieces, strict=True)
    ]
    return np.concatenate(found)
