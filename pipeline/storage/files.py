"""What the store asks of the place that holds its files.

Names are paths below the store's root, with their ending ("sequences/demo.parquet"). Two kinds
of place answer: `LocalFiles` and `S3Files`.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from pipeline.storage.local import LocalFiles

Place = Path | str
"""Where a file lies, for people: a path, or a URL."""


class StorageError(OSError):
    """A place did not answer, or refused; the files themselves may be whole."""


class Files(Protocol):
    def place(self, name: str) -> Place: ...

    def replacing(self, name: str) -> AbstractContextManager[Path]:
        """A local path to write to. It becomes the file, whole, when the block ends well; else
        what stood there before stays."""

    def opened(self, name: str) -> AbstractContextManager[Path | BinaryIO]:
        """What Parquet readers take: they read the parts that they need, all of one version."""

    def whole(self, name: str) -> AbstractContextManager[Path]:
        """A local file with the content, until the block ends."""

    def headed(self, name: str) -> AbstractContextManager[Path]:
        """As `whole`, of a safetensors file: its header and size are right, its tensors may be
        zeros. It spares fetching them."""

    def scratch(self, name: str) -> AbstractContextManager[Path]:
        """A local path for what does not fit in memory, gone when the block ends."""

    def exists(self, name: str) -> bool: ...

    def holds(self, folder: str) -> bool:
        """Whether there is a file below a folder, however deep."""

    def delete(self, name: str) -> None:
        """No error where there is nothing."""

    def num_bytes(self, name: str) -> int: ...

    def stems(self, folder: str, suffix: str) -> list[str]:
        """Of the files with that ending directly in a folder, sorted; none is an empty list."""


def open_files(root: Place, temporary: Path | None) -> Files:
    """A path is a local folder, a string the URL of a remote one (`temporary` is its own).

    ValueError where the URL is none that is known here, or its library is not installed.
    """
    if isinstance(root, Path):
        return LocalFiles(root)
    if not root.startswith("s3://"):
        scheme = root.partition("://")[0]
        raise ValueError(f"no store can lie at {scheme}://: name a folder, or s3://bucket/prefix")
    try:
        from pipeline.storage.s3 import S3Files
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{root} needs the package {error.name}: pip install 'coldbridge[s3]'"
        ) from error
    assert temporary is not None, "a remote store writes here first"
    return S3Files.of(root, temporary)
