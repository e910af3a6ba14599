"""What the pages show holds: commands can be given, examples load, links lead somewhere.

Every block between fences is one of these, and one that is none fails:

- `toml`: a catalog, or a part of one;
- `json`, `yaml`, `python`: parsed;
- `text`: what the program prints (that of docs/troubleshooting.md is held against the program by
  tests/test_docs_troubleshooting.py);
- no language, `sh`, `bash` or `console`: commands, each of a kind in COMMANDS.

Commands are run for real where they belong: `make demo` and `make test` by CI on a clean clone and
in tests/e2e/test_demo.py, `make dev` in tests/e2e/test_ui.py, `python -m assets.run` and
`dg launch` in tests/test_docs_tutorial.py. Here it is asked whether what they name is there.
"""

import ast
import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from assets.definitions import defs
from assets.resources import PROJECT
from pipeline.catalog import load_catalog

PAGES = {
    str(path.relative_to(PROJECT)): path.read_text(encoding="utf-8")
    for path in [
        *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *sorted((PROJECT / "docs").rglob("*.md")),
    ]
}
RUN_WHOLE = {"docs/tutorial.md"}
"""Pages whose every shell block is run, in order, by a test of their own."""

HARMLESS = {"cat", "cd", "cp", "curl", "df", "du", "export", "git", "head", "kill", "ls", "mkdir"}
HARMLESS |= {
    "aws",
    "createuser",
    "mv",
    "nohup",
    "pip",
    "psql",
    "rm",
    "source",
    "sqlite3",
    "ssh",
    "tail",
    "vllm",
}
"""Programs that are not ours: nothing of this project could make the line wrong."""


def blocks(page: str) -> list[tuple[str, str]]:
    return re.findall(r"^```(\S*)[^\n]*\n(.*?)^```\s*$", PAGES[page], re.M | re.S)


def of_languages(*languages: str) -> list[Any]:
    return [
        pytest.param(page, text, id=f"{page}-{number}")
        for page in PAGES
        for number, (language, text) in enumerate(blocks(page))
        if language in languages
    ]


def commands(text: str) -> list[list[str]]:
    """The words of each line, without comments. One that ends in a backslash, or within a
    quotation, goes on in the next."""
    found, given = [], ""
    for line in text.replace("\\\n", " ").splitlines():
        given = f"{given}\n{line}" if given else line.removeprefix("$ ")
        if _is_whole(given):
            found.append(shlex.split(given, comments=True))
            given = ""
    assert not given, f"a quotation has no end: {given}"
    return [words for words in found if words]


def _is_whole(given: str) -> bool:
    """Whether every quotation in it has an end."""
    try:
        shlex.split(given, comments=True)
    except ValueError:
        return False
    return True


def names_of(page: str, kind: str) -> set[str]:
    """Domains or scenarios of the project's catalog and of the page's own examples."""
    tables = [(PROJECT / "data" / "catalog.toml").read_text(encoding="utf-8")]
    tables += [text for language, text in blocks(page) if language == "toml"]
    if page == "README.md":
        tables += [text for language, text in blocks("docs/data.md") if language == "toml"]
    return {name for text in tables for name in tomllib.loads(text).get(kind, {})}


def check_make(page: str, words: list[str]) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.M))
    for word in words[1:]:
        name, equals, _ = word.partition("=")
        known = re.search(rf"^{name} [?:]?=", makefile, re.M) if equals else name in targets
        assert known, f"the Makefile has no {word}"


def check_python(page: str, words: list[str]) -> None:
    if words[1] == "-c":
        ast.parse(words[2])
        return
    assert words[1] == "-m", "run a module: python -m ..."
    spec = importlib.util.find_spec(words[2])
    assert spec is not None and spec.origin is not None, f"no module {words[2]}"
    source = Path(spec.origin).read_text(encoding="utf-8")
    for word in words[3:]:
        if word.startswith("--"):
            assert re.search(rf"{word}\b", source), f"{words[2]} reads no {word}"
    if words[2].startswith("assets."):
        named = [word for word in words[3:] if not word.startswith("-") and word.islower()]
        assert set(named[:1]) <= names_of(page, "scenario") | names_of(page, "domain"), named


def check_dg(page: str, words: list[str]) -> None:
    assert words[1] in ("launch", "dev", "check", "list"), words
    if words[1] != "launch":
        return
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert set(options) <= {"--assets", "--job", "--partition", "--config-json"}, options
    if "--job" in options:
        assert options["--job"] in jobs(), options
    else:
        for asset in options["--assets"].split(","):
            selection = dg.AssetSelection.from_string(asset)
            assert selection.resolve(defs.resolve_asset_graph()), options
    if "--partition" in options:
        assert options["--partition"] in names_of(page, "scenario") | names_of(page, "domain")


def check_dagster(page: str, words: list[str]) -> None:
    """Its schedules, sensors and jobs by name; the words of its own are Dagster's affair."""
    repository = defs.get_repository_def()
    if words[1] == "schedule":
        assert words[3] in {one.name for one in repository.schedule_defs}, words
    elif words[1] == "sensor":
        assert words[3] in {one.name for one in repository.sensor_defs}, words
    elif words[1] == "job":
        assert words[words.index("-j") + 1] in jobs(), words
    else:
        assert words[1] == "run", words


@cache
def jobs() -> set[str]:
    return {job.name for job in defs.resolve_all_job_defs()}


COMMANDS: dict[str, Callable[[str, list[str]], None]] = {
    "make": check_make,
    "python": check_python,
    "dagster": check_dagster,
    "dg": check_dg,
    **dict.fromkeys(HARMLESS, lambda page, words: None),
}
"""The kinds of commands that a page may show, and what is asked of each."""


@pytest.mark.parametrize(("page", "text"), of_languages("", "sh", "bash", "console"))
def test_every_command_of_a_page_can_be_given(page: str, text: str) -> None:
    if page in RUN_WHOLE:
        return
    for words in commands(text):
        while re.fullmatch(r"[A-Z_]+=.*", words[0]):  # variables of this one command
            words = words[1:]
        program = Path(words[0]).name
        assert program in COMMANDS, f"{page}: no test knows the command {program!r}: see COMMANDS"
        COMMANDS[program](page, words)


@pytest.mark.parametrize(("page", "text"), of_languages("toml"))
def test_every_example_of_a_catalog_loads(page: str, text: str, tmp_path: Path) -> None:
    tables = tomllib.loads(text)
    if not set(tables) <= {"domain", "scenario", "engine", "price"}:
        return  # of another file than the catalog
    named = {d for scenario in tables.get("scenario", {}).values() for d in scenario["domains"]}
    for name in sorted(named - set(tables.get("domain", {}))):  # told elsewhere on the page
        text += f'\n[domain.{name}]\ntitle = "t"\nformat = "amazon-2018"\nreviews = "raw/r"\n'
        text += 'features = { item_model = "package:m", user_model = "package:m" }\n'
    path = tmp_path / "catalog.toml"
    path.write_text(text, encoding="utf-8")
    assert set(load_catalog(path).scenarios) == set(tables.get("scenario", {}))


@pytest.mark.parametrize("page", PAGES)
def test_every_other_block_is_of_a_known_language_and_parses(page: str) -> None:
    parsers: dict[str, Callable[[str], Any]] = {
        "json": json.loads,
        "yaml": yaml.safe_load,
        "python": ast.parse,
        **dict.fromkeys(("", "sh", "bash", "console", "toml", "text"), len),
    }
    for language, text in blocks(page):
        assert language in parsers, f"{page}: no test reads blocks of {language!r}"
        parsers[language](text)
    assert PAGES[page].count("\n```") % 2 == 0, f"{page}: a fence is open"


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_somewhere(page: str) -> None:
    prose = re.sub(r"^```.*?^```\s*$|`[^`\n]*`", "", PAGES[page], flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?:|mailto:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (PROJECT / page).parent / place if place else PROJECT / page
        assert target.exists(), f"{page}: {link} leads nowhere"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{page}: {link}"


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
