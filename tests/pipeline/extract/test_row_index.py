"""The index finds every row, also where keys collide by halves or lie in two parts."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.extract.row_index import RowIndex, first_of_each, words_of

WORDS = np.random.default_rng(0).integers(0, 2**64, size=(1000, 2), dtype=np.uint64)
OTHERS = np.random.default_rng(1).integers(0, 2**64, size=(50, 2), dtype=np.uint64)


def found(index: RowIndex, words: np.ndarray) -> list[tuple[str, int] | None]:
    parts, rows = index.locate(words)
    return [
        None if part < 0 else (index.part(part), int(row))
        for part, row in zip(parts, rows, strict=True)
    ]


def test_rows_are_found_in_the_parts_that_they_came_with() -> None:
    index = RowIndex()
    index.insert({"a": WORDS[:300], "b": WORDS[300:301]})
    index.insert({"c": WORDS[301:]})
    expected = [("a", row) for row in range(300)] + [("b", 0)] + [("c", row) for row in range(699)]
    order = np.random.default_rng(2).permutation(1000)
    assert found(index, WORDS[order]) == [expected[i] for i in order]
    assert found(index, OTHERS) == [None] * 50
    assert index.parts == {"a", "b", "c"}


def test_an_empty_index_knows_nothing() -> None:
    assert found(RowIndex(), WORDS[:3]) == [None] * 3
    assert found(RowIndex(), WORDS[:0]) == []


def test_keys_that_share_a_half_are_told_apart() -> None:
    grid = np.array([[a, b] for a in (0, 5, 2**64 - 1) for b in (0, 9, 2**64 - 1)], dtype=np.uint64)
    index = RowIndex()
    index.insert({"a": grid[::2]})
    assert found(index, grid) == [("a", i // 2) if i % 2 == 0 else None for i in range(9)]


def test_dropped_parts_are_forgotten_and_doubled_rows_found_elsewhere() -> None:
    index = RowIndex()
    index.insert({"a": WORDS[:10], "b": WORDS[5:15]})
    index.drop({"a"})
    assert found(index, WORDS[:15]) == [None] * 5 + [("b", row) for row in range(10)]
    index.insert({"a": WORDS[:5]})
    assert found(index, WORDS[:6]) == [("a", row) for row in range(5)] + [("b", 0)]
    index.drop({"a", "b"})
    assert found(index, WORDS[:3]) == [None] * 3 and index.parts == set()


def test_the_first_of_equal_keys_is_told() -> None:
    words = np.array([[1, 1], [2, 1], [1, 1], [1, 2], [2, 1], [1, 1]], dtype=np.uint64)
    assert first_of_each(words).tolist() == [True, True, False, True, False, False]
    assert first_of_each(words[:0]).tolist() == []


def test_words_are_seen_through_slices() -> None:
    keys = pa.array([row.tobytes() for row in WORDS[:10]], pa.binary(16))
    assert np.array_equal(words_of(keys), WORDS[:10])
    assert np.array_equal(words_of(keys.slice(3, 4)), WORDS[3:7])
    assert words_of(keys[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    "keys", [pa.array([b"short"]), pa.array([b"x" * 16, None], pa.binary(16))], ids=["type", "null"]
)
def test_what_is_no_key_is_refused(keys: pa.Array) -> None:
    with pytest.raises(ValueError, match="keys must be 16 bytes each"):
        words_of(keys)
