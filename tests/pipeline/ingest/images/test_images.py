"""Image bytes: judged by decoding, kept by content, verified when they are read."""

import hashlib
from pathlib import Path

import pytest

from pipeline.catalog import Images
from pipeline.ingest.images.stored_images import image_path, keep_image, read_image
from tests.pipeline.ingest.images.image_server import picture

LIMITS = Images(folder="images")


def test_what_is_kept_is_read_back_byte_by_byte(tmp_path: Path) -> None:
    body = picture(5)
    digest = hashlib.sha256(body).hexdigest()
    answer = keep_image(tmp_path, body, LIMITS)
    assert answer.picture and answer.picture.sha256 == digest
    assert image_path(tmp_path, digest) == tmp_path / "images" / digest[:2] / digest
    assert read_image(tmp_path, digest) == body
    assert keep_image(tmp_path, body, LIMITS) == answer
    assert len(list(tmp_path.rglob("*"))) == 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_an_image_cut_anywhere_is_not_kept(tmp_path: Path, kind: str) -> None:
    body = picture(5, kind, (50, 50))
    for share in (0.2, 0.5, 0.8):
        answer = keep_image(tmp_path, body[: int(len(body) * share)], LIMITS)
        assert answer.status in ("broken", "wrong-type")
    assert not list(tmp_path.iterdir())


def test_a_photo_with_a_second_picture_behind_it_is_a_jpeg(tmp_path: Path) -> None:
    answer = keep_image(tmp_path, picture(5, "MPO"), LIMITS)
    assert answer.picture and answer.picture.format == "jpeg"


def test_the_limits_are_the_last_that_pass(tmp_path: Path) -> None:
    body = picture(5, size=(20, 10))
    for max_bytes, max_pixels, status in (
        (len(body), 200, "ok"),
        (len(body) - 1, 200, "too-large"),
        (len(body), 199, "too-many-pixels"),
    ):
        limits = Images(folder="images", max_bytes=max_bytes, max_pixels=max_pixels)
        assert keep_image(tmp_path, body, limits).status == status


@pytest.mark.parametrize("digest", ["", "ab", "../../etc/passwd", "A" * 64, "0" * 63 + "/"])
def test_what_is_no_digest_becomes_no_path(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ValueError, match="is no SHA-256"):
        image_path(tmp_path, digest)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{'0' * 64} is missing: materialize item_images again"):
        read_image(tmp_path, "0" * 64)


def test_a_corrupt_image_is_named_and_mended_by_the_next_run(tmp_path: Path) -> None:
    body = picture(5)
    answer = keep_image(tmp_path, body, LIMITS)
    assert answer.picture
    path = image_path(tmp_path, answer.picture.sha256)
    path.write_bytes(b"\0" * len(body))
    with pytest.raises(ValueError, match=rf"{path.name} is corrupt .*: delete it and"):
        read_image(tmp_path, answer.picture.sha256)
    keep_image(tmp_path, body, LIMITS)
    assert read_image(tmp_path, answer.picture.sha256) == body
