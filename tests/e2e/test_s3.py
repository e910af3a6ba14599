"""A tiny world from raw files to leaderboards and an experiment, titles by a language model among
it, once into a folder and once into a bucket of a real server: the same artifacts come out."""

import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.definitions import all_assets
from assets.resources import PROJECT, Workspace
from pipeline.ingest import sample
from pipeline.store import Store
from tests.e2e.sample_domains import SAMPLE_DOMAINS
from tests.refresh_names import refresh_names
from tests.s3_server import BUCKET, S3Server, s3_server

pytestmark = pytest.mark.slow

CATALOG = (
    SAMPLE_DOMAINS
    + """
[scenario.small]
domains = ["food", "kitchen"]
filters = { k_core = 4 }
split = { valid = 0.2, test = 0.6 }
titles = { max_users = 4, probe_users = 2 }
training = { seeds = [0], max_epochs = 1 }
candidates = { seeds = [0], num_negatives = 20 }
systems = ["popularity", "sasrec", "lgcd"]
experiments = ["lgcd_guidance"]

[scenario.rated]
domains = ["food", "kitchen"]
task = "cold-start-rating"
split = { cold_ratios = [0.5] }
training = { seeds = [0, 1], max_epochs = 1 }
systems = ["item_mean", "biased_mf"]
"""
)


TIMED = ("report", "experiments/lgcd_guidance", "ablation_report")
"""Assets that tell durations, which no two runs share."""


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


@pytest.fixture(autouse=True)
def environment(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    tiny = functools.partial(sample.WorldConfig, food_users=60, kitchen_users=60, shared_users=80)
    monkeypatch.setattr(sample, "WorldConfig", tiny)


def refreshed(workspace: Workspace) -> dict[str, str]:
    """Bring both scenarios up to date; the data version, a digest, of every artifact but
    those that tell how long it took."""
    Path(workspace.data).mkdir()
    (Path(workspace.data) / "catalog.toml").write_text(CATALOG)
    assets = all_assets(workspace.catalog)
    digests = {}
    with dg.DagsterInstance.ephemeral() as instance:
        done = [*refresh_names(assets, workspace, "small", instance)]
        done += refresh_names(assets, workspace, "rated", instance)
        for scenario in ("small", "rated"):
            assert refresh_names(assets, workspace, scenario, instance) == []
        for title in done:
            asset, partition = title.rstrip("]").split("[")
            if asset in TIMED:
                continue
            record = instance.get_latest_data_version_record(
                dg.AssetKey(asset.split("/")), partition_key=partition
            )
            assert record and record.asset_materialization
            digests[title] = str(record.asset_materialization.tags["dagster/data_version"])
    return digests


def test_a_bucket_and_a_folder_hold_the_same_artifacts(server: S3Server, tmp_path: Path) -> None:
    url = f"s3://{BUCKET}/shared/store"
    in_folder = Workspace(data=str(tmp_path / "one"))
    in_bucket = Workspace(data=str(tmp_path / "two"), store_root=url)
    local, remote = refreshed(in_folder), refreshed(in_bucket)
    assert local == remote
    assert {"leaderboard[small]", "rating_leaderboard[rated]"} <= set(local)
    root = Path(in_folder.data) / "store"
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    prefix = "shared/store/"
    assert [key.removeprefix(prefix) for key in server.keys(prefix)] == files
    assert not (Path(in_bucket.data) / "store").exists()
    unfinished = Path(in_bucket.data) / "cache" / "unfinished"
    assert not [path for path in unfinished.rglob("*") if path.is_file()]
    assert server.unfinished() == 0


def test_the_command_line_reads_the_stores_place_from_the_environment(
    server: S3Server, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "catalog.toml").write_text(CATALOG)
    settings = (PROJECT / "dagster.yaml").read_text()
    (tmp_path / "dagster.yaml").write_text(
        settings.replace("data/.dagster", str(tmp_path / "state"))
    )
    url = f"s3://{BUCKET}/command/store"
    done = subprocess.run(
        [sys.executable, "-m", "assets.run", "food"],
        cwd=PROJECT,
        env={
            **os.environ,
            "COLDBRIDGE_DATA": str(data),
            "COLDBRIDGE_STORE": url,
            "DAGSTER_HOME": str(tmp_path),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    store = Store(url, temporary=tmp_path / "unfinished")
    assert store.num_rows("reviews/food") > 1000
    assert not (data / "store").exists()
