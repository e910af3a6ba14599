"""A file is replaced whole or not at all, and nothing is left lying beside it."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.atomic import replacing

ROOT = Path(__file__).resolve().parents[2]

FULL_DISK = """
import resource, sys
from pathlib import Path
from pipeline.atomic import replacing

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    with replacing(Path(sys.argv[1])) as temporary:
        temporary.write_bytes(bytes(5000))
except OSError as error:
    print(error.strerror)
"""


def test_a_file_is_replaced_and_its_folder_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    for text in ("one", "two"):
        with replacing(path) as temporary:
            temporary.write_text(text)
            assert temporary.parent == path.parent
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("one")
    with pytest.raises(KeyError), replacing(path) as temporary:
        temporary.write_text("two")
        raise KeyError
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "file.txt"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_that_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("one")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout == "File too large\n"
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]
