"""The row cache from the command line.

python -m pipeline.extract.cache_command list
python -m pipeline.extract.cache_command verify
python -m pipeline.extract.cache_command compact
python -m pipeline.extract.cache_command evict --model NAME --older-than DAYS --dry-run
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.extract.cache_upkeep import Holding, Verdict, compact, evict, survey, verify

_SECONDS_A_DAY = 86400


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 where all is well, 1 where something is corrupt or was asked wrongly."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    root = options.data / "cache" / "rows"
    commands = {"list": _list, "verify": _verify, "compact": _compact, "evict": _evict}
    try:
        return commands[options.command](root, options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.extract.cache_command")
    data = Path(os.environ.get("COLDBRIDGE_DATA", "data"))
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--data", type=Path, default=data, help="the data folder; default: %(default)s"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", parents=[shared], help="what the cache holds")
    commands.add_parser(
        "verify", parents=[shared], help="read everything, set corrupt parts aside, 1 if any"
    )
    commands.add_parser("compact", parents=[shared], help="merge small parts into large ones")
    evict = commands.add_parser("evict", parents=[shared], help="delete rows by model and age")
    evict.add_argument("--model", help="as `list` shows it")
    evict.add_argument("--older-than", type=float, metavar="DAYS", help="since rows were added")
    evict.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    return parser


def _list(root: Path, options: argparse.Namespace) -> int:
    holdings = survey(root)
    header = ["operation", "model", "prompt", "rows", "MB", "parts", "oldest", "newest", "folder"]
    _print_table(header, [_cells(root, holding) for holding in holdings])
    return 0


def _cells(root: Path, holding: Holding) -> list[str]:
    name = holding.title
    return [
        name.operation,
        name.model,
        name.prompt,
        f"{holding.rows:,}",
        _megabytes(holding.num_bytes),
        str(holding.parts),
        _date(holding.oldest),
        _date(holding.newest),
        str(holding.folder.relative_to(root)),
    ]


def _verify(root: Path, options: argparse.Namespace) -> int:
    verdicts = verify(root)
    header = ["folder", "rows", "duplicates", "MB", "parts", "corrupt", "verdict"]
    _print_table(header, [_judged(root, verdict) for verdict in verdicts])
    return 1 if any(verdict.corrupt or verdict.problem for verdict in verdicts) else 0


def _judged(root: Path, verdict: Verdict) -> list[str]:
    aside = f"set aside: {', '.join(verdict.corrupt)}" if verdict.corrupt else ""
    return [
        str(verdict.folder.relative_to(root)),
        f"{verdict.rows:,}",
        str(verdict.duplicates),
        _megabytes(verdict.num_bytes),
        str(verdict.parts),
        str(len(verdict.corrupt)),
        "; ".join(filter(None, [aside, verdict.problem])) or "whole",
    ]


def _compact(root: Path, options: argparse.Namespace) -> int:
    merged = compact(root)
    rows = [[str(folder.relative_to(root)), str(parts)] for folder, parts in merged.items()]
    _print_table(["folder", "parts merged"], rows)
    return 0


def _evict(root: Path, options: argparse.Namespace) -> int:
    days = options.older_than
    if days is not None and days < 0:
        raise ValueError(f"--older-than {days:g}: give a number of days, 0 or more")
    before = None if days is None else int(time.time() - days * _SECONDS_A_DAY)
    evicted = evict(root, model=options.model, before=before, dry_run=options.dry_run)
    rows = [[str(folder.relative_to(root)), f"{count:,}"] for folder, count in evicted.items()]
    _print_table(["folder", "rows to evict" if options.dry_run else "rows evicted"], rows)
    return 0


def _print_table(header: list[str], rows: list[list[str]]) -> None:
    for line in (header, ["-" * len(name) for name in header], *rows):
        print(f"| {' | '.join(line)} |")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f}"


def _date(seconds: int | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


if __name__ == "__main__":
    sys.exit(main())
