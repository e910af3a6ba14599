"""Image files: whether bytes are an image of ours, and the folder that keeps those that are.

Files are content-addressed, `<cache>/images/<first two digits>/<sha256>`, with the bytes as they
came: what two items share lies there once, and a file that changed on disk no longer matches
its name.
"""

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.atomic import replacing
from pipeline.catalog import Images

FORMATS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp"}
"""What is accepted, by Pillow's name; MPO is a JPEG with more pictures behind the first."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image that was decoded and is kept."""

    sha256: str
    format: str  # a value of FORMATS
    width: int
    height: int
    num_bytes: int

    def fits(self, limits: Images) -> bool:
        return self.num_bytes <= limits.max_bytes and (
            self.width * self.height <= limits.max_pixels
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of one source of an image."""

    status: str  # "ok", or in a word what went wrong
    picture: Picture | None = None  # where it is ok


def image_path(cache: Path, sha256: str) -> Path:
    """Where an image lies. ValueError where `sha256` is not 64 lower-case hex digits."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256!r} is no SHA-256: give 64 hex digits, as item_images has them")
    return cache / "images" / sha256[:2] / sha256


def read_image(cache: Path, sha256: str) -> bytes:
    """The bytes of a kept image. ValueError names a file that is missing or has changed."""
    path = image_path(cache, sha256)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{path} is missing: materialize item_images again") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(
            f"{path} is corrupt (its content differs from its name): delete it and materialize "
            "item_images again"
        )
    return data


def keep_image(cache: Path, data: bytes, limits: Images) -> Answer:
    """Decode the bytes and keep them where they are a whole image within the limits.

    Otherwise the status is "too-large", "wrong-type" (no image, or not in one of FORMATS),
    "too-many-pixels" (by what its header says: nothing is decoded) or "broken".
    """
    if len(data) > limits.max_bytes:
        return Answer(status="too-large")
    answer = _decoded(data, limits)
    if answer.picture and not _is_kept(cache, answer.picture.sha256):
        with replacing(image_path(cache, answer.picture.sha256)) as temporary:
            temporary.write_bytes(data)
    return answer


def _is_kept(cache: Path, sha256: str) -> bool:
    try:
        read_image(cache, sha256)
    except ValueError:  # missing or corrupt: it is written again
        return False
    return True


def _decoded(data: bytes, limits: Images) -> Answer:
    from PIL import Image, UnidentifiedImageError

    if not data:
        return Answer(status="broken")
    try:
        with Image.open(io.BytesIO(data), formats=sorted({*FORMATS} - {"MPO"})) as image:
            width, height = image.size
            if width * height > limits.max_pixels:
                return Answer(status="too-many-pixels")
            image.load()
            kind = FORMATS[str(image.format)]
    except UnidentifiedImageError:
        return Answer(status="wrong-type")
    except Image.DecompressionBombError:
        return Answer(status="too-many-pixels")
    except Exception:  # whatever a decoder trips over in a stranger's bytes, they are the cause
        return Answer(status="broken")
    picture = Picture(
        sha256=hashlib.sha256(data).hexdigest(),
        format=kind,
        width=width,
        height=height,
        num_bytes=len(data),
    )
    return Answer(status="ok", picture=picture)
