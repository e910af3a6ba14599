"""Rows are kept once, found again, and handed out in the order of their keys."""

import json
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.catalog import Precision
from pipeline.extract.row_cache import LostRows, RowCache
from pipeline.extract.vectors import stored_vectors, vector_type, vectors_of
from tests.pipeline.extract.cached_rows import (
    ANSWER,
    IDENTITY,
    add,
    add_at,
    answers,
    holds,
    keys_of,
    open_rows,
    part_paths,
)


def test_rows_are_found_again_by_whoever_opens_the_cache(tmp_path: Path) -> None:
    rows = open_rows(tmp_path)
    assert not rows.known(keys_of(rows, range(9))).any()
    assert add(rows, range(5)) == 5 and add(rows, range(5, 9)) == 4
    assert holds(rows, range(9)) and holds(open_rows(tmp_path), range(9))
    assert open_rows(tmp_path).known(keys_of(rows, [8, 9, 0])).tolist() == [True, False, True]


def test_nothing_is_written_before_the_first_row(tmp_path: Path) -> None:
    rows = open_rows(tmp_path)
    assert not rows.known(keys_of(rows, range(3))).any()
    assert list(tmp_path.iterdir()) == []


def test_rows_that_are_there_already_are_left_out(tmp_path: Path) -> None:
    rows, others = open_rows(tmp_path), open_rows(tmp_path)
    assert add(rows, [1, 2, 2, 1]) == 2
    assert add(others, [2, 3, 1]) == 1
    assert add(rows, [1, 2, 3]) == 0
    assert len(part_paths(rows)) == 2 and holds(rows, [3, 1, 2])


def test_a_row_keeps_the_value_that_it_was_added_with_first(tmp_path: Path) -> None:
    rows = open_rows(tmp_path)
    keys = keys_of(rows, [1, 1])
    rows.add(keys, answers([1, 4]))
    rows.add(keys.slice(0, 1), answers([6]))
    assert rows.fetch(keys).equals(answers([1, 1]))


def test_values_come_in_the_order_of_their_keys_however_often_asked(tmp_path: Path) -> None:
    rows = open_rows(tmp_path)
    for start in range(0, 100, 7):
        add(rows, range(start, min(start + 7, 100)))
    asked = np.random.default_rng(0).integers(0, 100, size=300).tolist()
    assert holds(rows, asked)
    assert rows.fetch(keys_of(rows, [])).equals(answers([]))


def test_what_another_process_commits_is_picked_up(tmp_path: Path) -> None:
    rows, other = open_rows(tmp_path), open_rows(tmp_path)
    add(rows, [1])
    add(other, [2])
    assert rows.known(keys_of(rows, [1, 2, 3])).tolist() == [True, True, False]
    add(other, [3])
    assert holds(rows, [3, 2, 1])


def test_rows_that_are_not_there_are_said_to_be_lost(tmp_path: Path) -> None:
    rows = open_rows(tmp_path)
    add(rows, [1])
    with pytest.raises(LostRows, match=r"2 of 3 rows are not in .*titles-1"):
        rows.fetch(keys_of(rows, [1, 2, 3]))


# -- computing again ---------------------------------------------------------------------------


def test_rows_from_before_a_moment_are_unknown_and_new_ones_take_their_place(
    tmp_path: Path,
) -> None:
    rows, numbers = open_rows(tmp_path), range(4)
    add(rows, [9])
    add_at(rows, numbers, added=1_000)
    again = open_rows(tmp_path, since=2_000)
    keys = keys_of(again, numbers)
    assert not again.known(keys).any() and again.known(keys_of(again, [9])).all()
    assert again.add(keys.slice(0, 2), answers([10, 11])) == 2
    resumed = open_rows(tmp_path, since=2_000)  # as after a kill
    assert resumed.known(keys).tolist() == [True, True, False, False]
    with pytest.raises(LostRows, match="2 of 4 rows"):
        resumed.fetch(keys)
    for opened in (rows, open_rows(tmp_path)):  # one that was open before, and a new one
        assert opened.fetch(keys).equals(answers([10, 11, 2, 3]))


def test_new_rows_count_also_where_the_clock_was_set_back(tmp_path: Path) -> None:
    moment = int(time.time()) + 1_000
    again = open_rows(tmp_path, since=moment)
    add(again, range(3))
    assert holds(again, range(3)) and holds(open_rows(tmp_path, since=moment), range(3))


# -- keys and identities -----------------------------------------------------------------------


def test_a_key_is_the_digest_of_identity_and_payload(tmp_path: Path) -> None:
    rows = open_rows(tmp_path)
    payloads = [b"", b"a", b"a ", b"\0" * 1000]
    keys = rows.keys(payloads)
    assert keys.type == pa.binary(16) and len(set(keys.to_pylist())) == 4
    assert rows.keys(iter(payloads)).equals(keys)
    assert open_rows(tmp_path / "elsewhere").keys(payloads).equals(keys)
    assert not set(open_rows(tmp_path, seed=1).keys(payloads).to_pylist()) & set(keys.to_pylist())


@pytest.mark.parametrize(
    "changed",
    [{"seed": 1}, {"model": "org/large"}, {"prompt": "titles/2"}, {"more": None}],
    ids=str,
)
def test_every_fact_of_the_identity_keeps_rows_apart(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    rows, others = open_rows(tmp_path), open_rows(tmp_path, **changed)
    add(rows, [1])
    assert rows.folder != others.folder
    assert not others.known(keys_of(others, [1])).any()


def test_values_of_another_type_are_kept_apart(tmp_path: Path) -> None:
    folders = {
        RowCache(tmp_path).open(IDENTITY, kind).folder
        for kind in (ANSWER, vector_type(4, "float16"), vector_type(4, "float32"))
    }
    assert len(folders) == 3


@pytest.mark.parametrize(
    ("model", "slug"),
    [
        ("org/small-1.5B", "org-small-1.5B"),
        ("../../etc", "etc"),
        ("/srv/models/tiny", "srv-models-tiny"),
        ("..", "unnamed"),
        ("", "unnamed"),
        (".hidden", "hidden"),
        ("modèle \0 ☃", "mod-le"),
        ("x" * 300, "x" * 80),
    ],
)
def test_a_models_name_never_becomes_a_path_unchecked(
    tmp_path: Path, model: str, slug: str
) -> None:
    rows = open_rows(tmp_path, model=model, prompt=model)
    add(rows, [1])
    assert rows.folder.parts[:-1] == (tmp_path / "generate" / slug).parts
    assert rows.folder.name.startswith(f"{slug}-") and rows.folder.is_dir()


def test_an_identity_names_operation_model_and_prompt(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a text 'prompt'"):
        RowCache(tmp_path).open({"operation": "embed", "model": "m"}, ANSWER)


def test_a_folder_tells_whose_rows_it_holds(tmp_path: Path) -> None:
    rows = open_rows(tmp_path, settings={"temperature": 0.5})
    add(rows, [1])
    about = json.loads((rows.folder / "about.json").read_text())
    assert about["identity"] == IDENTITY | {"settings": {"temperature": 0.5}}
    assert about["value"] == str(ANSWER) and about["created"].startswith("20")


def test_a_folder_of_another_identity_is_refused(tmp_path: Path) -> None:
    rows = open_rows(tmp_path)
    add(rows, [1])
    about = rows.folder / "about.json"
    about.write_text(about.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(ValueError, match=r"about\.json is of another identity .* put it back"):
        open_rows(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"identity": {}, "value": "x"}', "\xff"])
def test_an_unreadable_about_is_named_and_may_be_deleted(tmp_path: Path, text: str) -> None:
    rows = open_rows(tmp_path)
    add(rows, [1])
    about = rows.folder / "about.json"
    about.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"about\.json is unreadable .* delete it"):
        open_rows(tmp_path)
    about.unlink()
    add(open_rows(tmp_path), [2])
    assert holds(open_rows(tmp_path), [1, 2]) and about.exists()


# -- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pa.array(["text"]), "must be struct.* not string"),
        (pa.array([None], ANSWER), "without nulls, not .* with 1"),
        (answers([1, 2]), "1 keys came with 2 values"),
    ],
    ids=["type", "null", "number"],
)
def test_values_that_do_not_fit_are_refused(tmp_path: Path, values: pa.Array, said: str) -> None:
    rows = open_rows(tmp_path)
    with pytest.raises(ValueError, match=said):
        rows.add(keys_of(rows, [1]), values)
    assert not rows.folder.exists()


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_vectors_come_back_bit_by_bit(tmp_path: Path, precision: Precision) -> None:
    matrix = np.random.default_rng(0).standard_normal((500, 24), dtype=np.float32)
    stored, _ = stored_vectors(matrix, precision)
    rows = RowCache(tmp_path).open(IDENTITY, stored.type)
    keys = keys_of(rows, range(500))
    for start in range(0, 500, 60):
        rows.add(keys.slice(start, 60), stored.slice(start, 60))
    order = np.random.default_rng(1).integers(0, 500, size=800)
    fetched = rows.fetch(keys.take(pa.array(order)))
    assert fetched.type == stored.type
    assert np.array_equal(vectors_of(fetched), vectors_of(stored)[order])


def test_vectors_with_holes_are_refused(tmp_path: Path) -> None:
    rows = RowCache(tmp_path).open(IDENTITY, vector_type(2, "float32"))
    with pytest.raises(ValueError, match="1 values are null"):
        rows.add(keys_of(rows, [1]), pa.array([[1.0, None]], vector_type(2, "float32")))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([["a", ""], [], ["b", None]]),
        pa.array([b"", b"\0", b"x" * 100]),
        pa.array([1.5, float("nan"), -0.0]),
        pa.array(
            [{"vector": [1.0, 2.0], "tokens": 1}, {"vector": [3.0], "tokens": 2}, {"vector": []}],
            pa.struct([("vector", pa.list_(pa.float16())), ("tokens", pa.int32())]),
        ),
        pa.array([[1, 2], [3, None], [5, 6]], pa.list_(pa.int64(), 2)),
    ],
    ids=["lists", "bytes", "numbers", "structs of lists", "pairs"],
)
def test_values_of_any_type_come_back(tmp_path: Path, values: pa.Array) -> None:
    rows = RowCache(tmp_path).open(IDENTITY, values.type)
    keys = keys_of(rows, range(3))
    rows.add(keys.slice(0, 2), values.slice(0, 2))
    rows.add(keys.slice(2), values.slice(2))
    order = pa.array([2, 0, 1, 2])
    assert str(rows.fetch(keys.take(order))) == str(values.take(order))


def test_a_part_of_several_row_groups_is_read_where_needed(tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).standard_normal((30_000, 100), dtype=np.float32)
    stored, _ = stored_vectors(matrix, "float32")
    rows = RowCache(tmp_path).open(IDENTITY, stored.type)
    keys = keys_of(rows, range(30_000))
    rows.add(keys, stored)
    for order in (np.array([29_999, 0]), np.random.default_rng(1).permutation(30_000)):
        fetched = rows.fetch(keys.take(pa.array(order)))
        assert np.array_equal(vectors_of(fetched), matrix[order])
