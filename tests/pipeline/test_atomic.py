"""A file is replaced whole or not at all, and nothing is left lying beside it; scratch files go."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.atomic import replacing, scratch

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


KILLED = """
import os, sys, signal
from pathlib import Path
from pipeline.atomic import scratch

with scratch(Path(sys.argv[1])) as temporary:
    temporary.write_text("rows")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_scratch_file_is_gone_when_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with scratch(path) as temporary:
        temporary.write_text("rows")
        assert temporary.parent == path.parent
        assert [temporary] == list(path.parent.iterdir())
    assert list(path.parent.iterdir()) == []


def test_a_scratch_file_is_gone_when_its_block_fails(tmp_path: Path) -> None:
    for error in (KeyError, KeyboardInterrupt):
        with pytest.raises(error), scratch(tmp_path / "file") as temporary:
            temporary.write_text("rows")
            raise error
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_file_need_not_be_written(tmp_path: Path) -> None:
    with scratch(tmp_path / "file"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_two_scratch_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    with scratch(tmp_path / "file") as one, scratch(tmp_path / "file") as two:
        one.write_text("1")
        two.write_text("2")
        assert one.read_text() == "1"
    assert list(tmp_path.iterdir()) == []


def test_the_scratch_file_of_a_killed_process_is_swept(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "file"], cwd=ROOT)
    assert done.returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    with scratch(tmp_path / "other") as temporary:
        temporary.write_text("rows")
        assert list(tmp_path.iterdir()) == [temporary]
