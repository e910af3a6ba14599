"""A store's files in a local folder: synced and renamed."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pipeline import atomic


@dataclass(frozen=True)
class LocalFiles:
    root: Path

    def place(self, name: str) -> Path:
        return self.root / name

    def replacing(self, name: str) -> AbstractContextManager[Path]:
        return atomic.replacing(self.root / name)

    def whole(self, name: str) -> AbstractContextManager[Path]:
        return nullcontext(self.root / name)

    opened = whole
    headed = whole

    def scratch(self, name: str) -> AbstractContextManager[Path]:
        return atomic.scratch(self.root / name)

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def holds(self, folder: str) -> bool:
        return any(path.is_file() for path in (self.root / folder).rglob("*"))

    def delete(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def num_bytes(self, name: str) -> int:
        return (self.root / name).stat().st_size

    def stems(self, folder: str, suffix: str) -> list[str]:
        return sorted(path.stem for path in (self.root / folder).glob(f"*{suffix}"))
