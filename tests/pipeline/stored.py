"""A store under test, and its files as they lie there, past the store."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.store import Store
from tests.s3_server import S3Server


@dataclass(frozen=True)
class Stored:
    store: Store
    server: S3Server | None = None  # of a bucket

    def read(self, name: str) -> bytes:
        if self.server:
            return self.server.read(self._key(name))
        return (Path(self.store.root) / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        if self.server:
            self.server.write(self._key(name), content)
        else:
            (Path(self.store.root) / name).write_bytes(content)

    def names(self) -> list[str]:
        """Of all files, hidden ones too."""
        if self.server:
            return [key.removeprefix(self._key("")) for key in self.server.keys(self._key(""))]
        root = Path(self.store.root)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def _key(self, name: str) -> str:
        return f"{str(self.store.root).split('/', 3)[3]}/{name}"
