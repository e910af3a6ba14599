"""Digests see content and nothing else."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.digest import TableDigest, digest_arrays, digest_file, digest_json

SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("number", pa.int32()),
        ("share", pa.float32()),
        ("sure", pa.bool_()),
        ("items", pa.list_(pa.int32())),
        ("titles", pa.list_(pa.string())),
        ("answer", pa.struct([("text", pa.string()), ("tokens", pa.int32())])),
    ]
)
ROWS = [
    {
        "name": "ab",
        "number": 1,
        "share": 0.5,
        "sure": True,
        "items": [1, 2],
        "titles": ["x", "yz"],
        "answer": {"text": "yes", "tokens": 3},
    },
    {
        "name": "c",
        "number": 0,
        "share": 0.0,
        "sure": False,
        "items": [3],
        "titles": [],
        "answer": {"text": "", "tokens": 0},
    },
    {
        "name": "",
        "number": 7,
        "share": -1.0,
        "sure": True,
        "items": [],
        "titles": ["", "w"],
        "answer": {"text": "no", "tokens": 1},
    },
]


def digest(rows: list[dict[str, object]], schema: pa.Schema = SCHEMA, cut: int = 100) -> str:
    whole = TableDigest(schema)
    for batch in pa.Table.from_pylist(rows, schema=schema).to_batches(max_chunksize=cut):
        whole.update(batch)
    return whole.hexdigest()


def changed(row: int, **values: object) -> list[dict[str, object]]:
    return [entry | values if i == row else entry for i, entry in enumerate(ROWS)]


def test_where_batches_are_cut_changes_nothing() -> None:
    assert digest(ROWS, cut=1) == digest(ROWS, cut=2) == digest(ROWS)


def test_an_empty_batch_leaves_no_trace() -> None:
    whole = TableDigest(SCHEMA)
    table = pa.Table.from_pylist(ROWS, schema=SCHEMA)
    for batch in (*table.slice(0, 0).to_batches(), *table.to_batches(), *table[:0].to_batches()):
        whole.update(batch)
    assert whole.hexdigest() == digest(ROWS)


def test_a_slice_of_a_larger_table_has_the_digest_of_its_rows() -> None:
    longer = pa.Table.from_pylist([ROWS[2], *ROWS, ROWS[0]], schema=SCHEMA)
    whole = TableDigest(SCHEMA)
    for batch in longer.slice(1, 3).to_batches():
        whole.update(batch)
    assert whole.hexdigest() == digest(ROWS)


@pytest.mark.parametrize(
    "values",
    [
        {"name": "ax"},
        {"name": None},
        {"number": 2},
        {"number": None},
        {"share": 0.25},
        {"sure": False},
        {"items": [1, 3]},
        {"items": [1]},
        {"items": None},
        {"items": [1, None]},
        {"titles": ["xy", "z"]},
        {"answer": {"text": "yes", "tokens": 4}},
        {"answer": {"text": "yea", "tokens": 3}},
        {"answer": None},
    ],
    ids=str,
)
def test_every_value_counts(values: dict[str, object]) -> None:
    assert digest(changed(0, **values)) != digest(ROWS)


def test_a_null_is_neither_zero_nor_empty() -> None:
    assert digest(changed(1, number=None)) != digest(ROWS)
    assert digest(changed(2, name=None)) != digest(ROWS)
    assert digest(changed(2, items=None)) != digest(ROWS)


def test_values_do_not_run_into_their_neighbours() -> None:
    names = pa.schema([("name", pa.string())])
    lists = pa.schema([("items", pa.list_(pa.int32()))])
    assert digest([{"name": "ab"}, {"name": "c"}], names) != digest(
        [{"name": "a"}, {"name": "bc"}], names
    )
    assert digest([{"items": [1, 2]}, {"items": [3]}], lists) != digest(
        [{"items": [1]}, {"items": [2, 3]}], lists
    )


def test_the_order_of_rows_counts() -> None:
    assert digest(ROWS[::-1]) != digest(ROWS)


def test_names_and_types_of_columns_count_even_without_rows() -> None:
    schemas = [
        pa.schema([("a", pa.int32())]),
        pa.schema([("a", pa.int64())]),
        pa.schema([("b", pa.int32())]),
    ]
    assert len({digest([], schema) for schema in schemas}) == 3


def test_a_struct_is_digested_by_its_values_in_every_process() -> None:
    """The value is written down: an address of an object would differ from run to run."""
    schema = pa.schema([("answer", pa.struct([("tokens", pa.int32())]))])
    assert digest([{"answer": {"tokens": 5}}], schema) == "5dd659908a677304"


def test_a_type_without_a_digest_is_refused() -> None:
    schema = pa.schema([("price", pa.decimal128(5, 2))])
    with pytest.raises(TypeError, match="decimal128"):
        digest([{"price": 1}], schema)


VECTORS = pa.array([[1.0, 2.0], [3.0, 4.0], None, [5.0, None]], pa.list_(pa.float32(), 2))


def column_digest(column: pa.Array, cut: int = 100) -> str:
    table = pa.table({"vector": column})
    whole = TableDigest(table.schema)
    for batch in table.to_batches(max_chunksize=cut):
        whole.update(batch)
    return whole.hexdigest()


@pytest.mark.parametrize("number", [pa.float16(), pa.float32()], ids=str)
def test_vectors_are_digested_by_their_values_wherever_they_are_cut(number: pa.DataType) -> None:
    vectors = VECTORS.cast(pa.list_(number, 2))
    assert column_digest(vectors, cut=1) == column_digest(vectors, cut=3) == column_digest(vectors)
    assert column_digest(pa.concat_arrays([vectors, vectors]).slice(4)) == column_digest(vectors)
    assert column_digest(vectors.slice(1)) == column_digest(pa.concat_arrays([vectors[1:]]))


@pytest.mark.parametrize(
    "row",
    [[1.0, 3.0], [2.0, 1.0], [1.0, None], None],
    ids=str,
)
def test_every_number_of_a_vector_counts(row: list[float] | None) -> None:
    for number in (pa.float16(), pa.float32()):
        kind = pa.list_(number, 2)
        changed = pa.concat_arrays([pa.array([row], kind), VECTORS.cast(kind)[1:]])
        assert column_digest(changed) != column_digest(VECTORS.cast(kind))


def test_a_vectors_precision_and_width_count() -> None:
    kinds = [pa.list_(pa.float16(), 2), pa.list_(pa.float32(), 2), pa.list_(pa.float32())]
    wider = pa.array([[1.0, 2.0, 3.0, 4.0]], pa.list_(pa.float32(), 4))
    narrow = pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2))
    assert len({column_digest(VECTORS.cast(kind)) for kind in kinds}) == 3
    assert column_digest(wider) != column_digest(narrow)


def test_half_numbers_are_digested_and_none_of_them_is_no_zero() -> None:
    halves = [pa.array(values, pa.float16()) for values in ([0.0, 1.0], [None, 1.0], [0.0, 2.0])]
    assert len({column_digest(column) for column in halves}) == 3


def test_arrays_are_told_apart_by_name_type_shape_and_value() -> None:
    one = {"a": np.arange(6, dtype=np.int64)}
    others = [
        {"b": np.arange(6, dtype=np.int64)},
        {"a": np.arange(6, dtype=np.int32)},
        {"a": np.arange(6, dtype=np.int64).reshape(2, 3)},
        {"a": np.arange(1, 7, dtype=np.int64)},
        {"a": np.arange(6, dtype=np.int64), "b": np.zeros(0)},
    ]
    assert len({digest_arrays(arrays) for arrays in [one, *others]}) == 6
    assert digest_arrays({"a": np.array(5.0)}) != digest_arrays({"a": np.array([5.0])})


def test_memory_layout_and_order_of_names_change_nothing() -> None:
    grid = np.arange(6.0).reshape(2, 3)
    assert digest_arrays({"a": grid, "b": grid[0]}) == digest_arrays(
        {"b": grid[0].copy(), "a": np.asfortranarray(grid)}
    )


def test_json_is_digested_in_a_canonical_form() -> None:
    assert digest_json({"a": 1, "b": [1, 2]}) == digest_json({"b": (1, 2), "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": "1"})
    assert len(digest_json("é")) == 16


def test_a_file_is_digested_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"")
    (tmp_path / "two").write_bytes(b"\n")
    # The first 16 hex characters of SHA-256 of nothing are public knowledge.
    assert digest_file(tmp_path / "one") == "e3b0c44298fc1c14"
    assert digest_file(tmp_path / "two") != digest_file(tmp_path / "one")
