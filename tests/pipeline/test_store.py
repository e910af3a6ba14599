"""The store, wherever its files lie: whole files or none, and corruption that is found and
named. Each test runs on a folder and on a bucket; what is of one of them alone lies in
test_store_local.py and test_store_s3.py."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.store import Store
from tests.pipeline.stored import Stored

SCHEMA = pa.schema(
    [
        pa.field("user", pa.int64(), nullable=False),
        pa.field("name", pa.string()),
    ]
)


@pytest.fixture(params=["folder", "bucket"])
def stored(request: pytest.FixtureRequest) -> Stored:
    return request.getfixturevalue(f"in_{request.param}")  # type: ignore[no-any-return]


@pytest.fixture
def store(stored: Stored) -> Store:
    return stored.store


def table(*users: int) -> pa.Table:
    return pa.table({"user": users, "name": [f"user {user}" for user in users]}, SCHEMA)


def flipped(content: bytes, position: int) -> bytes:
    changed = bytearray(content)
    changed[position] ^= 0xFF
    return bytes(changed)


# -- tables ----------------------------------------------------------------------------------


def test_a_table_comes_back_as_it_was_written(store: Store, stored: Stored) -> None:
    artifact = store.write_table("reviews/food", SCHEMA, table(3, 1))
    assert store.read_table("reviews/food").equals(table(3, 1))
    assert store.read_table("reviews/food", ["user"]).column_names == ["user"]
    assert (artifact.key, artifact.num_rows) == ("reviews/food", 2)
    assert artifact.path == store.path("reviews/food", ".parquet")
    assert artifact.num_bytes == len(stored.read("reviews/food.parquet"))
    assert artifact.num_bytes == store.num_bytes("reviews/food", ".parquet")
    assert store.num_rows("reviews/food") == 2
    assert store.digest("reviews/food") == artifact.digest


def test_a_stream_and_a_table_of_the_same_rows_have_one_digest(store: Store) -> None:
    whole = store.write_table("whole", SCHEMA, table(1, 2, 3))
    stream = store.write_table("stream", SCHEMA, iter(table(1, 2, 3).to_batches(max_chunksize=1)))
    assert whole.digest == stream.digest
    assert [batch.num_rows for batch in store.read_batches("stream")] == [3]


def test_an_empty_table_keeps_its_schema(store: Store) -> None:
    store.write_table("empty", SCHEMA, iter(()))
    assert store.read_table("empty").schema.names == SCHEMA.names
    assert store.read_table("empty").num_rows == 0


def test_columns_are_put_in_the_schemas_order_and_type(store: Store) -> None:
    rows = pa.table({"name": ["a"], "user": pa.array([1], pa.int32())})
    store.write_table("reviews/food", SCHEMA, rows)
    assert store.read_table("reviews/food").to_pylist() == [{"user": 1, "name": "a"}]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"user": [1]}, "columns"),
        ({"user": [1], "name": ["a"], "age": [1]}, "age"),
        ({"user": [1, None], "name": ["a", "b"]}, "1 nulls in required column 'user'"),
        ({"user": ["one"], "name": ["a"]}, "column 'user' must be int64"),
        ({"user": [1.5], "name": ["a"]}, "column 'user' must be int64"),
    ],
    ids=["too few", "too many", "null", "text", "fraction"],
)
def test_rows_that_break_the_schema_are_refused(
    store: Store, stored: Stored, rows: dict[str, list[object]], said: str
) -> None:
    store.write_table("reviews/food", SCHEMA, table(1))
    with pytest.raises(ValueError, match=said) as refusal:
        store.write_table("reviews/food", SCHEMA, pa.table(rows))
    assert "reviews/food" in str(refusal.value)
    assert store.read_table("reviews/food").equals(table(1))
    assert stored.names() == ["reviews/food.parquet"]


@pytest.mark.parametrize("number", [pa.float16(), pa.float32()], ids=str)
def test_vectors_come_back_in_the_precision_of_the_schema(
    store: Store, number: pa.DataType
) -> None:
    schema = pa.schema([pa.field("vector", pa.list_(number, 3), nullable=False)])
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3) / 8
    column = pa.FixedSizeListArray.from_arrays(vectors.ravel(), 3)
    for given in (column, column.cast(pa.list_(number, 3)), column.cast(pa.list_(pa.float64()))):
        artifact = store.write_table("vectors", schema, pa.table({"vector": given}))
        back = store.read_table("vectors")
        assert back.schema.field("vector").type == pa.list_(number, 3)
        assert back["vector"].combine_chunks().flatten().to_numpy().tolist() == [*vectors.ravel()]
        assert artifact.digest == store.digest("vectors")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([[1.0, 70000.0]], pa.list_(pa.float32(), 2)), "beyond float16's 65504"),
        (pa.array([[1.0, 70000.0]], pa.list_(pa.float64())), "beyond float16's 65504"),
        (pa.array([[1.0]], pa.list_(pa.float32())), "must be fixed_size_list"),
        (pa.array([[1.0, 2.0], None], pa.list_(pa.float16(), 2)), "1 nulls in required column"),
    ],
    ids=["too large", "too large in a list", "too short", "null"],
)
def test_vectors_that_do_not_fit_the_schema_are_refused(
    store: Store, column: pa.Array, said: str
) -> None:
    schema = pa.schema([pa.field("vector", pa.list_(pa.float16(), 2), nullable=False)])
    with pytest.raises(ValueError, match=said):
        store.write_table("vectors", schema, pa.table({"vector": column}))
    assert not store.exists("vectors", ".parquet")


def test_a_writer_that_fails_leaves_the_previous_table(store: Store, stored: Stored) -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        yield from table(7).to_batches()
        raise KeyError("the source broke")

    store.write_table("reviews/food", SCHEMA, table(1, 2))
    with pytest.raises(KeyError, match="the source broke"):
        store.write_table("reviews/food", SCHEMA, rows())
    assert store.read_table("reviews/food").equals(table(1, 2))
    assert stored.names() == ["reviews/food.parquet"]


def test_a_flipped_byte_in_the_data_is_found_and_the_file_named(
    store: Store, stored: Stored
) -> None:
    """Page headers hold statistics that nobody reads; a flip there may pass, and does no harm."""
    store.write_table("reviews/food", SCHEMA, table(*range(2000)))
    pristine, found = stored.read("reviews/food.parquet"), 0
    many = 8 if stored.server else 40
    places = np.linspace(4, _end_of_data(pristine) - 1, num=many, dtype=int)
    for place in places:
        stored.write("reviews/food.parquet", flipped(pristine, place))
        try:
            assert store.read_table("reviews/food").equals(table(*range(2000)))
        except ValueError as error:
            assert "food.parquet is corrupt" in str(error) and "materialize" in str(error)
            with pytest.raises(ValueError, match=r"food\.parquet is corrupt .* materialize"):
                list(store.read_batches("reviews/food"))
            found += 1
    assert found >= len(places) - 2


def _end_of_data(content: bytes) -> int:
    groups = pq.read_metadata(io.BytesIO(content))
    columns = [
        groups.row_group(group).column(column)
        for group in range(groups.num_row_groups)
        for column in range(groups.num_columns)
    ]
    return max(
        (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size
        for column in columns
    )


@pytest.mark.parametrize("kept", [0, 3, 50, -1])
def test_a_truncated_table_is_named(store: Store, stored: Stored, kept: int) -> None:
    store.write_table("reviews/food", SCHEMA, table(*range(2000)))
    stored.write("reviews/food.parquet", stored.read("reviews/food.parquet")[:kept])
    with pytest.raises(ValueError, match=r"food\.parquet is corrupt"):
        store.read_table("reviews/food")
    with pytest.raises(ValueError, match=r"food\.parquet is corrupt"):
        list(store.read_batches("reviews/food"))
    with pytest.raises(ValueError, match=r"food\.parquet is corrupt"):
        store.digest("reviews/food")


def test_a_table_from_elsewhere_has_no_digest(store: Store, stored: Stored) -> None:
    foreign = io.BytesIO()
    pq.write_table(table(1), foreign)
    stored.write("foreign.parquet", foreign.getvalue())
    with pytest.raises(ValueError, match=r"foreign\.parquet is corrupt .*digest"):
        store.digest("foreign")


def test_what_is_missing_is_named_with_the_asset_that_makes_it(store: Store) -> None:
    with pytest.raises(ValueError, match=r"reviews/food\.parquet.*materialize reviews of food"):
        store.read_table("reviews/food")
    with pytest.raises(ValueError, match=r"materialize weights/lgcd of demo"):
        store.read_tensors("weights/demo/lgcd")
    with pytest.raises(ValueError, match=r"materialize weights/lgcd of demo"):
        store.digest("weights/demo/lgcd")


# -- tensors ---------------------------------------------------------------------------------


def tensors() -> dict[str, torch.Tensor]:
    return {
        "weight": torch.arange(600.0).reshape(20, 30).T,
        "step": torch.tensor(3.0),
        "items": torch.tensor([1, 2, 3]),
        "none": torch.zeros(0, 4),
    }


def test_tensors_come_back_with_shape_type_and_metadata(store: Store) -> None:
    artifact = store.write_tensors("weights/a", tensors(), {"seed": "0"})
    back = store.read_tensors("weights/a")
    for name, tensor in tensors().items():
        torch.testing.assert_close(back[name], tensor, rtol=0, atol=0)
    assert artifact.shapes == {name: tuple(tensor.shape) for name, tensor in tensors().items()}
    assert store.tensor_metadata("weights/a") == {"seed": "0"}
    assert store.digest("weights/a") == artifact.digest


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_tensors_that_are_not_finite_are_refused_by_name(store: Store, value: float) -> None:
    with pytest.raises(ValueError, match="weights/a: tensor 'bias' holds values"):
        store.write_tensors("weights/a", {"bias": torch.tensor([0.0, value])})
    assert not store.exists("weights/a", ".safetensors")


def test_a_flipped_byte_of_a_tensor_is_found_and_the_file_named(
    store: Store, stored: Stored
) -> None:
    store.write_tensors("weights/a", tensors())
    pristine = stored.read("weights/a.safetensors")
    start = 8 + int.from_bytes(pristine[:8], "little")
    for place in (0, 8, *np.linspace(start, len(pristine) - 1, num=6, dtype=int)):
        stored.write("weights/a.safetensors", flipped(pristine, place))
        with pytest.raises(ValueError, match=r"a\.safetensors is corrupt .* materialize"):
            store.read_tensors("weights/a")


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_truncated_tensors_are_named(store: Store, stored: Stored, kept: int) -> None:
    store.write_tensors("weights/a", tensors())
    stored.write("weights/a.safetensors", stored.read("weights/a.safetensors")[:kept])
    with pytest.raises(ValueError, match=r"a\.safetensors is corrupt"):
        store.read_tensors("weights/a")
    with pytest.raises(ValueError, match=r"a\.safetensors is corrupt"):
        store.digest("weights/a")


def test_a_folder_of_tensors_has_a_digest_of_its_files(store: Store) -> None:
    store.write_tensors("weights/a/seed-0", {"x": torch.zeros(2)})
    one = store.digest("weights/a")
    store.write_tensors("weights/a/seed-1", {"x": torch.ones(2)})
    two = store.digest("weights/a")
    store.write_tensors("weights/a/seed-1", {"x": torch.zeros(2)})
    assert len({one, two, store.digest("weights/a")}) == 3


# -- keys and texts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["../out", "a/../b", "a/..", "/etc/passwd", "a//b", "a/", "", ".hidden", "a b", "a\\b"]
)
def test_keys_that_could_leave_the_store_are_refused(
    store: Store, stored: Stored, key: str
) -> None:
    for use in (
        lambda: store.write_table(key, SCHEMA, table(1)),
        lambda: store.write_tensors(key, {"x": torch.zeros(1)}),
        lambda: store.write_text(key, ".txt", "x"),
        lambda: store.read_table(key),
        lambda: store.delete(key, ".txt"),
        lambda: store.exists(key, ".txt"),
    ):
        with pytest.raises(ValueError, match="is no store key"):
            use()
    assert stored.names() == []


def test_texts_are_replaced_whole_and_deleted(store: Store) -> None:
    store.write_text("report/demo", ".md", "# Zürich")
    assert str(store.write_text("report/demo", ".md", "# Bäckerei")).endswith("report/demo.md")
    assert store.read_text("report/demo", ".md") == "# Bäckerei"
    store.delete("report/demo", ".md")
    store.delete("report/demo", ".md")
    assert not store.exists("report/demo", ".md")


def test_a_folder_is_there_while_a_file_lies_below_it_however_deep(store: Store) -> None:
    assert not store.holds("weights/demo/music")
    store.write_text("weights/demo/music/cold-50/seed-0", ".json", "{}")
    store.write_text("weights/demo/music_blind/seed-0", ".json", "{}")
    assert store.holds("weights/demo/music")
    assert not store.holds("weights/demo/mus")
    store.delete("weights/demo/music/cold-50/seed-0", ".json")
    assert not store.holds("weights/demo/music")
    assert store.holds("weights/demo")


def test_a_scratch_file_is_local_and_gone_when_its_block_ends(store: Store) -> None:
    with store.scratch("reviews/food") as path:
        path.write_text("rows")
        assert isinstance(path, Path) and path.exists()
    assert not path.exists() and not store.exists("reviews/food", ".scratch")
