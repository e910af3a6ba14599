"""Dagster's own state in a real Postgres server, by the settings of install/postgres."""

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from assets.resources import PROJECT
from pipeline.store import Store
from tests.e2e.sample_domains import SAMPLE_DOMAINS

SETTINGS = PROJECT / "install/postgres/dagster.yaml"
PASSWORD = "p@ss/w:rd %41 ü"
RUN_SECONDS = 900


def test_the_settings_are_the_projects_but_for_the_storage() -> None:
    ours = yaml.safe_load(SETTINGS.read_text())
    projects = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    assert set(ours.pop("storage")) == {"postgres"} and set(projects.pop("storage")) == {"sqlite"}
    assert ours == projects


def test_the_documented_storage_is_that_of_the_settings() -> None:
    page = (PROJECT / "docs/storage.md").read_text()
    (shown,) = re.findall(r"```yaml\n(storage:\n.*?)```", page, re.DOTALL)
    assert shown in SETTINGS.read_text()


@dataclass(frozen=True)
class Postgres:
    programs: Path
    folder: Path  # of its data
    port: int

    @property
    def variables(self) -> dict[str, str]:
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGDATABASE": "coldbridge",
            "PGUSER": "coldbridge",
            "PGPASSWORD": PASSWORD,
        }

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        log = self.folder / "log"
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-m", "fast", "stop")

    def asked(self, query: str) -> str:
        return self.run("psql", "-At", "-c", query).strip()

    def run(self, program: str, *arguments: object) -> str:
        """As the user postgres where this is root, as whom the server does not run."""
        prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        done = subprocess.run(
            [*prefix, str(self.programs / program), *map(str, arguments)],
            cwd=self.folder,
            env=os.environ | self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{program} failed: {done.stdout}"
        return done.stdout


def _programs() -> Path:
    """Where the server's programs lie; Debian keeps them off the PATH."""
    found = [Path(path) for path in [shutil.which("initdb")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL server is installed")
    return found[-1].parent


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A server of its own on the loopback, that asks for a password; gone after the test."""
    pytest.importorskip("dagster_postgres", reason="dagster-postgres is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="coldbridge-postgres-") as name:
        server = Postgres(_programs(), Path(name), port)
        (server.folder / "password").write_text(PASSWORD)
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            for path in (server.folder, server.folder / "password"):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        server.run(
            *("initdb", "-D", server.folder / "data", "-U", "coldbridge", "-E", "UTF8"),
            *("-A", "scram-sha-256", "--no-sync", "--pwfile", server.folder / "password"),
        )
        server.start()
        try:
            server.run("createdb", "coldbridge")
            yield server
        finally:
            server.stop()


@dataclass(frozen=True)
class Home:
    folder: Path

    def run(self, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "assets.run", "food"],
            cwd=PROJECT,
            env=os.environ
            | {"COLDBRIDGE_DATA": str(self.folder / "data"), "DAGSTER_HOME": str(self.folder)}
            | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
        )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A data folder, and the settings as shipped but for where logs go."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/catalog.toml").write_text(SAMPLE_DOMAINS)
    settings = SETTINGS.read_text()
    assert settings.count("data/.dagster") == 2
    (tmp_path / "dagster.yaml").write_text(
        settings.replace("data/.dagster", str(tmp_path / "state"))
    )
    return Home(tmp_path)


@pytest.mark.slow
def test_history_lies_in_postgres_and_outlives_its_restart(postgres: Postgres, home: Home) -> None:
    done = home.run(**postgres.variables)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "reviews[food]: done" in done.stdout
    assert Store(home.folder / "data/store").num_rows("reviews/food") > 1000
    runs = postgres.asked("select count(*) from runs where status = 'SUCCESS'")
    assert int(runs) == done.stdout.count(": done in ")
    assert not list(home.folder.rglob("*.db"))  # nothing went to SQLite
    postgres.stop()
    postgres.start()
    again = home.run(**postgres.variables)
    assert again.returncode == 0, again.stdout[-4000:]
    assert "Nothing was missing or stale" in again.stdout
    assert postgres.asked("select count(*) from runs where status = 'SUCCESS'") == runs
    assert PASSWORD not in done.stdout + again.stdout
    for path in home.folder.rglob("*.y*ml"):
        assert PASSWORD not in path.read_text()


@pytest.mark.slow
def test_a_wrong_or_missing_password_is_told_and_nothing_runs(
    postgres: Postgres, home: Home
) -> None:
    wrong = home.run(**postgres.variables | {"PGPASSWORD": "wrong-secret"})
    assert wrong.returncode != 0 and "password authentication failed" in wrong.stdout
    assert "wrong-secret" not in wrong.stdout
    missing = {name: value for name, value in postgres.variables.items() if name != "PGPASSWORD"}
    refused = home.run(**missing)
    assert refused.returncode != 0 and "PGPASSWORD" in refused.stdout
    assert not (home.folder / "data/raw").exists()
