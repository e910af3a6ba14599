"""The index finds every row, also where keys collide by halves or lie in two parts."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.extract.row_index import (
    PartRows,
    RowIndex,
    first_of_each,
    newest_of_each,
    words_of,
)

WORDS = np.random.default_rng(0).integers(0, 2**64, size=(1000, 2), dtype=np.uint64)
OTHERS = np.random.default_rng(1).integers(0, 2**64, size=(50, 2), dtype=np.uint64)


def part(words: np.ndarray, added: int | list[int] = 1_000) -> PartRows:
    return PartRows(words, np.broadcast_to(np.array(added, dtype=np.int64), len(words)))


def found(index: RowIndex, words: np.ndarray) -> list[tuple[str, int] | None]:
    parts, rows = index.locate(words)
    return [
        None if part < 0 else (index.part(part), int(row))
        for part, row in zip(parts, rows, strict=True)
    ]


def test_rows_are_found_in_the_parts_that_they_came_with() -> None:
    index = RowIndex()
    index.insert({"a": part(WORDS[:300]), "b": part(WORDS[300:301])})
    index.insert({"c": part(WORDS[301:])})
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
    index.insert({"a": part(grid[::2])})
    assert found(index, grid) == [("a", i // 2) if i % 2 == 0 else None for i in range(9)]


def test_dropped_parts_are_forgotten_and_doubled_rows_found_elsewhere() -> None:
    index = RowIndex()
    index.insert({"a": part(WORDS[:10]), "b": part(WORDS[5:15])})
    index.drop({"a"})
    assert found(index, WORDS[:15]) == [None] * 5 + [("b", row) for row in range(10)]
    index.insert({"a": part(WORDS[:5])})
    assert found(index, WORDS[:6]) == [("a", row) for row in range(5)] + [("b", 0)]
    index.drop({"a", "b"})
    assert found(index, WORDS[:3]) == [None] * 3 and index.parts == set()


def test_the_newest_row_of_a_key_counts_in_whatever_order_parts_come() -> None:
    parts = {
        "old": part(WORDS[:6], 1),
        "new": part(WORDS[2:4], 3),
        "mixed": part(WORDS[:6], [2, 0, 2, 4, 0, 0]),
    }
    expected = [("mixed", 0), ("old", 1), ("new", 0), ("mixed", 3), ("old", 4), ("old", 5)]
    for names in (["old", "new", "mixed"], ["mixed", "new", "old"], ["new", "mixed", "old"]):
        one_by_one, at_once = RowIndex(), RowIndex()
        for name in names:
            one_by_one.insert({name: parts[name]})
        at_once.insert({name: parts[name] for name in names})
        assert found(one_by_one, WORDS[:6]) == found(at_once, WORDS[:6]) == expected
        one_by_one.drop({"mixed"})
        assert found(one_by_one, WORDS[2:4]) == [("new", 0), ("new", 1)]


def test_rows_from_before_a_moment_are_not_taken_in() -> None:
    index = RowIndex(since=5)
    index.insert({"a": part(WORDS[:3], [4, 5, 6]), "b": part(WORDS[3:5], 4)})
    assert found(index, WORDS[:5]) == [None, ("a", 1), ("a", 2), None, None]
    assert index.parts == {"a", "b"}  # known, so that they are not read again
    index.drop({"a"})
    assert found(index, WORDS[:5]) == [None] * 5


def test_of_equal_keys_the_newest_is_told() -> None:
    words = np.array([[1, 1], [2, 1], [1, 1], [1, 2], [2, 1], [1, 1]], dtype=np.uint64)
    newest = newest_of_each(part(words, [1, 7, 3, 0, 7, 2]))
    assert newest.tolist() == [False, True, True, True, False, False]
    assert newest_of_each(part(words[:0])).tolist() == []


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
