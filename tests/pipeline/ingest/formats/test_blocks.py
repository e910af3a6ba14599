"""Files of lines: whole lines come out, and whatever is wrong with a file is named."""

import gzip
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Domain
from pipeline.ingest.formats import blocks
from pipeline.ingest.formats.blocks import decode, opened_bytes, read_blocks, read_lines
from pipeline.ingest.formats.rows import ReadLog, RowError

Pack = Callable[[bytes], bytes]


def _zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


PACKINGS: dict[str, Pack] = {"plain": bytes, "gzip": gzip.compress, "zstd": _zstd}
LINES = b"".join(b"line %d %d\n" % (i, i * i * 7919 % 104729) for i in range(3000))


def _read(path: Path) -> list[tuple[int, bytes]]:
    return list(read_lines(path))


@pytest.fixture(params=PACKINGS)
def pack(request: pytest.FixtureRequest) -> Pack:
    return PACKINGS[request.param]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lines"


def test_lines_are_numbered_however_the_file_is_packed(pack: Pack, path: Path) -> None:
    path.write_bytes(pack(b"one\ntwo\n\n  \nfive"))
    assert _read(path) == [(1, b"one"), (2, b"two"), (5, b"five")]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", []),
        (b"\n\n\n", []),
        (b"\r\n \t\r\n", []),
        (b"a", [(1, b"a")]),
        (b"a\r\nb\r\n", [(1, b"a"), (2, b"b")]),
        (b"a\rb\n", [(1, b"a\rb")]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", [(1, b"a"), (2, b"\xef\xbb\xbfb")]),
        (b"\xef\xbb\xbf", []),
        (b"\xff\xfe\x00\n", [(1, b"\xff\xfe\x00")]),
        (b" a \n", [(1, b" a ")]),
        (b"a\x0bb\x0c\xc2\x85c\n", [(1, b"a\x0bb\x0c\xc2\x85c")]),
    ],
)
def test_line_feeds_alone_part_lines_and_blank_lines_are_left_out(
    pack: Pack, path: Path, data: bytes, lines: list[tuple[int, bytes]]
) -> None:
    path.write_bytes(pack(data))
    assert _read(path) == lines


@given(data=st.binary(max_size=200) | st.text("ab\r\n ", max_size=80).map(str.encode))
@settings(max_examples=60, deadline=None)
def test_blocks_of_any_size_hold_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("blocks") / "lines"
    path.write_bytes(data)
    whole = data.removeprefix(b"\xef\xbb\xbf")
    assume(not data.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")))
    for size in (3, 7, 1000):
        found = list(read_blocks(path, size))
        assert b"".join(block.data for block in found) == whole
        lines = [line for block in found for line in block.lines()]
        assert lines == [
            (number, line.removesuffix(b"\r"))
            for number, line in enumerate(whole.split(b"\n"), start=1)
            if line.strip()
        ]


def test_a_block_ends_with_a_line(path: Path) -> None:
    path.write_bytes(LINES)
    found = list(read_blocks(path, 1000))
    assert len(found) > 10
    assert all(block.data.endswith(b"\n") for block in found)
    assert b"".join(block.data for block in found) == LINES
    ends = [block.first_row + block.data.count(b"\n") for block in found]
    assert [block.first_row for block in found] == [1, *ends[:-1]]


def test_the_log_knows_how_far_a_file_was_read_in_bytes_of_the_disk(pack: Pack, path: Path) -> None:
    drawn = random.Random(0)  # not to be packed well: the packed file has many pieces, too
    lines = (drawn.randbytes(60).hex().encode() for _ in range(30_000))
    path.write_bytes(pack(b"\n".join(lines)))
    log = ReadLog(domain=Domain(name="toys", title="toys", format="amazon-2018"))
    shares = []
    for _ in read_blocks(path, 1 << 18, log):
        assert log.reading is not None and log.reading.path == path
        shares.append(log.reading.share)
    assert len(shares) > 10 and shares == sorted(shares)
    assert 0 < shares[0] < 0.6 and shares[-1] == 1.0


def test_packed_files_may_be_joined(path: Path) -> None:
    for pack in (gzip.compress, _zstd):
        path.write_bytes(pack(b"a\nb") + pack(b"c\n"))
        assert _read(path) == [(1, b"a"), (2, b"bc")]


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_file_that_is_cut_off_is_named_wherever_the_cut_is(path: Path, name: str) -> None:
    whole = PACKINGS[name](LINES)
    for length in (5, 11, 30, len(whole) // 2, len(whole) - 9, len(whole) - 4, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"lines is cut off or damaged in row \d+ or soon"):
            _read(path)


def test_damage_is_placed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_PIECE_BYTES", 1000)
    path.write_bytes(gzip.compress(LINES)[:10_000])
    whole = zlib.decompressobj(31).decompress(path.read_bytes()).count(b"\n")
    with pytest.raises(ValueError, match="cut off") as error:
        _read(path)
    row = int(str(error.value).split("in row ")[1].split()[0])
    assert whole // 2 < row <= whole + 1  # the decompressor reads ahead of what it gives


@pytest.mark.parametrize("position", [12, 2000, 9000, -6])
def test_a_flipped_bit_in_gzip_is_found(path: Path, position: int) -> None:
    damaged = bytearray(gzip.compress(LINES))
    damaged[position] ^= 4
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="lines is cut off or damaged"):
        _read(path)


def test_a_flipped_bit_in_zstd_is_found_or_changes_lines(path: Path) -> None:
    """Frames without a checksum, as Arrow writes them, cannot tell all damage."""
    whole, found = _zstd(LINES), 0
    for position in range(4, len(whole), 997):
        damaged = bytearray(whole)
        damaged[position] ^= 4
        path.write_bytes(damaged)
        try:
            _read(path)
        except ValueError as error:
            assert "lines is cut off or damaged" in str(error)
            found += 1
    assert found


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_garbage_after_the_end_is_damage(path: Path, name: str) -> None:
    path.write_bytes(PACKINGS[name](LINES) + b"garbage that is no frame")
    with pytest.raises(ValueError, match="lines is cut off or damaged"):
        _read(path)


@pytest.mark.parametrize("start", [b"\x1f\x8b", b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd"])
def test_the_mere_beginning_of_a_packed_file_is_damage(path: Path, start: bytes) -> None:
    path.write_bytes(start)
    with pytest.raises(ValueError, match="lines is cut off or damaged"):
        _read(path)


def test_a_missing_file_and_a_folder_are_errors_with_remedies(path: Path) -> None:
    with pytest.raises(ValueError, match=r"lines is missing: put the file there, or correct"):
        _read(path)
    path.mkdir()
    with pytest.raises(ValueError, match=r"lines is a folder; the catalog must name a file"):
        _read(path)


def test_a_link_that_leads_nowhere_is_a_missing_file(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "gone")
    with pytest.raises(ValueError, match="lines is missing"):
        _read(path)


def test_a_file_that_grows_while_it_is_read_is_an_error(pack: Pack, path: Path) -> None:
    path.write_bytes(pack(LINES))
    stream = read_blocks(path, 1000)
    next(stream)
    with path.open("ab") as file:
        file.write(pack(b"more\n"))
    with pytest.raises(ValueError, match="lines changed while it was read: wait until it is whole"):
        list(stream)


def test_a_file_that_is_replaced_by_one_of_the_same_size_is_an_error(path: Path) -> None:
    path.write_bytes(LINES)
    stream = read_blocks(path, 1000)
    next(stream)
    other = path.with_name("other")
    other.write_bytes(LINES)
    other.replace(path)
    with pytest.raises(ValueError, match="lines changed while it was read"):
        list(stream)


def test_a_file_that_vanishes_while_it_is_read_is_an_error(path: Path) -> None:
    path.write_bytes(LINES)
    stream = read_blocks(path, 1000)
    next(stream)
    path.unlink()
    with pytest.raises(ValueError, match="lines changed while it was read"):
        list(stream)


def test_a_line_without_an_end_is_an_error_and_not_held(
    pack: Pack, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LONGEST_LINE", 3 << 20)
    path.write_bytes(pack(b"first\n" + b"x" * (5 << 20)))
    seen = []
    with pytest.raises(ValueError, match=r"lines row 2: a line of more than 3 MiB; lines must end"):
        for block in read_blocks(path, 1 << 20):
            seen.append(block.data)
    assert seen == [b"first\n"]


def test_text_that_is_not_utf8_is_a_fault_of_its_row() -> None:
    assert decode("é\0\U0001f600".encode()) == "é\0\U0001f600"
    for line in (b"ab\xff", b"ab\xed\xa0\xbd", b"ab\xc0\x80", b"ab\xe2\x82"):
        with pytest.raises(RowError, match=r"not UTF-8: bytes b'.*' at position 2"):
            decode(line)


def test_bytes_of_a_damaged_file_are_an_error_too(path: Path) -> None:
    path.write_bytes(gzip.compress(LINES)[:5000])
    with pytest.raises(ValueError, match="lines is cut off or damaged"), opened_bytes(path) as file:
        file.read()
