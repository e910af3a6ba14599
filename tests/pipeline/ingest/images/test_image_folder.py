"""Images in a folder: which file is whose, and which files are not to be had."""

import os
from pathlib import Path

import pytest

from pipeline.catalog import Images
from pipeline.ingest.images.image_folder import files_by_item, keep_files
from tests.pipeline.ingest.images.image_server import picture

SETTINGS = Images(folder="images", max_bytes=10_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def put(folder: Path, *names: str) -> None:
    for shade, name in enumerate(names):
        (folder / name).write_bytes(picture(shade))


def status(folder: Path, name: str, cache: Path) -> str:
    return keep_files(folder, [name], cache, SETTINGS)[name].status


def test_files_are_matched_by_their_stem_and_ordered_by_their_number(folder: Path) -> None:
    put(folder, "I1_10.png", "I1_2.jpg", "I1.PNG", "I2_1.webp", "I3.png", "I1_x.png", "I1.txt")
    files, strangers = files_by_item(folder, {"I1", "I2", "I4"})
    assert files == {"I1": ["I1.PNG", "I1_2.jpg", "I1_10.png"], "I2": ["I2_1.webp"]}
    assert strangers == 2  # I3.png and I1_x.png


def test_an_id_that_ends_like_a_number_keeps_its_own_file(folder: Path) -> None:
    put(folder, "I_1.png", "I_1_2.png")
    assert files_by_item(folder, {"I", "I_1"}) == ({"I_1": ["I_1.png", "I_1_2.png"]}, 0)


def test_an_id_that_looks_like_a_path_reaches_nothing(folder: Path) -> None:
    put(folder.parent, "secret.png")
    put(folder, "I1.png")
    ids = {"../secret", "/etc/passwd", "..", "", "images/I1"}
    assert files_by_item(folder, ids) == ({}, 1)


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    put(tmp_path, "secret.png")
    (folder / "I1.png").symlink_to(tmp_path / "secret.png")
    assert status(folder, "I1.png", tmp_path) == "blocked"
    assert not (tmp_path / "images" / "aa").exists()


def test_a_link_within_the_folder_and_a_folder_that_is_a_link_are_fine(
    folder: Path, tmp_path: Path
) -> None:
    put(folder, "I1.png")
    (folder / "I2.png").symlink_to("I1.png")
    (tmp_path / "linked").symlink_to(folder)
    assert status(folder, "I2.png", tmp_path / "cache") == "ok"
    assert status(tmp_path / "linked", "I1.png", tmp_path / "cache") == "ok"


def test_what_is_no_image_file_says_what_it_is(folder: Path, tmp_path: Path) -> None:
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")  # reading it would wait for ever
    (folder / "text.png").write_text("hello")
    (folder / "cut.png").write_bytes(picture(1, size=(90, 90))[:-40])
    (folder / "large.png").write_bytes(bytes(10_001))
    names = sorted(path.name for path in folder.iterdir())
    answers = keep_files(folder, names, tmp_path / "cache", SETTINGS)
    assert {name: answer.status for name, answer in answers.items()} == {
        "gone.png": "missing",
        "folder.png": "missing",
        "pipe.png": "missing",
        "text.png": "wrong-type",
        "cut.png": "broken",
        "large.png": "too-large",
    }
