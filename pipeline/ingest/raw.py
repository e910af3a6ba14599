"""A domain's raw files: where they are, whether they are there, and what they hold.

Files of real datasets are put in place by people. The synthetic world of the demo is made
here, once, and made again where its files, its settings or its code have changed.
"""

import dataclasses
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.catalog import Catalog, Domain
from pipeline.digest import digest_file, digest_json
from pipeline.ingest import sample, sample_words, sample_world
from pipeline.ingest.formats.readers import existing_paths, paths_of
from pipeline.ingest.raw_state import RawState, raw_state

_STAMP = "world.json"
_CODE = (sample, sample_world, sample_words)


@dataclass(frozen=True, kw_only=True)
class RawFiles:
    """A domain's raw files, each by its role ("reviews", "items", "train_overlap", ...)."""

    paths: dict[str, Path]
    sizes: dict[str, int]  # bytes
    digests: dict[str, str]  # of each file's bytes
    digest: str  # of roles and digests together; where the files lie does not matter
    # Of them and the images before they were read, see raw_state.py; no part of what they hold.
    state: RawState | None = field(compare=False)


def prepare_raw(catalog: Catalog, name: str) -> RawFiles:
    """Make sure that a domain's raw files are in place; generate those of a sample domain.

    Raises ValueError that names the path, the catalog's key and the remedy.
    """
    domain = domain_of(catalog, name)
    if domain.source == "sample":
        _prepare_world(catalog)
    paths = existing_paths(catalog, domain)
    state = raw_state(catalog, domain)
    digests = {role: digest_file(path) for role, path in paths.items()}
    return RawFiles(
        paths=paths,
        sizes={role: path.stat().st_size for role, path in paths.items()},
        digests=digests,
        digest=digest_json(digests),
        state=state,
    )


def domain_of(catalog: Catalog, name: str) -> Domain:
    """A domain by name; ValueError with the known ones."""
    if name not in catalog.domains:
        raise ValueError(f"unknown domain {name!r}; known domains: {', '.join(catalog.domains)}")
    return catalog.domains[name]


def _prepare_world(catalog: Catalog) -> None:
    """Generate the two sample domains together, unless what is there is what would be made.

    Two processes may do so at once: both write the same bytes, and each file is replaced whole.
    """
    dumps = _world_dumps(catalog)
    config = sample.WorldConfig()
    stamp_path = dumps[0].reviews.with_name(_STAMP)
    recipe = _recipe(config)
    if _is_current(stamp_path, recipe, dumps):
        return
    _write_replacing(dumps, config)
    stamp = {"recipe": recipe, "files": _file_digests(dumps)}
    temporary = stamp_path.with_name(f".{_STAMP}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    os.replace(temporary, stamp_path)


def _world_dumps(catalog: Catalog) -> tuple[sample.Dump, sample.Dump]:
    domains = [domain for domain in catalog.domains.values() if domain.source == "sample"]
    if len(domains) != 2 or any(domain.format != "amazon-2018" for domain in domains):
        found = ", ".join(f"{domain.name} ({domain.format})" for domain in domains)
        raise ValueError(
            "the synthetic world is two domains with source = 'sample' and format = "
            f"'amazon-2018', food before kitchen; the catalog has: {found}"
        )
    places = [paths_of(catalog, domain) for domain in domains]
    food, kitchen = (
        sample.Dump(reviews=place["reviews"], items=place["items"]) for place in places
    )
    return food, kitchen


def _recipe(config: sample.WorldConfig) -> str:
    """Digest of all that decides the world: its settings and the code that makes it."""
    code = [digest_file(Path(str(module.__file__))) for module in _CODE]
    return digest_json({"config": dataclasses.asdict(config), "code": code})


def _is_current(stamp_path: Path, recipe: str, dumps: tuple[sample.Dump, ...]) -> bool:
    if not stamp_path.is_file() or not all(path.is_file() for path in _files(dumps)):
        return False
    try:
        stamp = json.loads(stamp_path.read_text(encoding="utf-8"))
    except ValueError:
        return False  # a damaged stamp vouches for nothing: the world is made again
    return stamp == {"recipe": recipe, "files": _file_digests(dumps)}


def _files(dumps: tuple[sample.Dump, ...]) -> list[Path]:
    return [path for dump in dumps for path in (dump.reviews, dump.items)]


def _file_digests(dumps: tuple[sample.Dump, ...]) -> list[str]:
    return [digest_file(path) for path in _files(dumps)]


def _write_replacing(dumps: tuple[sample.Dump, sample.Dump], config: sample.WorldConfig) -> None:
    for path in _files(dumps):
        path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=dumps[0].reviews.parent, prefix=".world-") as folder:
        made = [
            sample.Dump(reviews=Path(folder, f"{i}-reviews"), items=Path(folder, f"{i}-items"))
            for i in range(len(dumps))
        ]
        sample.write_world((made[0], made[1]), config)
        for temporary, path in zip(_files(tuple(made)), _files(dumps), strict=True):
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
