"""The k-core against a plain NumPy loop and a pandas loop on the same rows in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.ingest.k_core [--rows N] [--repeats N] [--k K]

The three take turns, so that noise of the machine falls on all of them; each figure is the median
over repeats, and all must keep the same rows. CPU seconds tell more where others use the machine.
Then each rule runs once in a process of its own, which measures its peak memory; `--repeats 0`
runs these alone, for sizes that pandas cannot hold.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np

from pipeline.catalog.scenarios import CoreRule, Filters
from pipeline.prepare.kcore import k_core_mask

NUM_DOMAINS = 2
CHUNK = 10_000_000
COLUMNS = {"users": np.int32, "items": np.int32, "domains": np.int8}


def main() -> None:
    arguments = _arguments()
    if arguments.rule:
        _measure(arguments.folder, arguments.rule, arguments.k)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        _generate(folder, arguments.rows)
        if arguments.repeats:
            _compare(folder, arguments.k, arguments.repeats)
        print("\n| rule | seconds | CPU seconds | rows left | peak MB | of these, the columns |")
        print("|---|---|---|---|---|---|")
        for rule in get_args(CoreRule):
            _in_own_process(folder, rule, arguments.k)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="for columns, 9 bytes a row")
    parser.add_argument("--rule", choices=get_args(CoreRule), help=argparse.SUPPRESS)
    return parser.parse_args()


def _generate(folder: Path, rows: int) -> None:
    """Long-tailed users and items, most of them nearly unused; one row in 20 is away from home."""
    generator = np.random.default_rng(0)
    columns = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, (rows,))
        for name, kind in COLUMNS.items()
    }
    for start in range(0, rows, CHUNK):
        chunk = slice(start, min(start + CHUNK, rows))
        count = chunk.stop - chunk.start
        users = _long_tail(generator, count, rows // 4, exponent=0.77, shift=10)
        domains = (users + (generator.random(count) < 0.05)) % NUM_DOMAINS
        items = _long_tail(generator, count, rows // 24, exponent=0.9, shift=50)
        columns["users"][chunk] = users
        columns["items"][chunk] = items * NUM_DOMAINS + domains
        columns["domains"][chunk] = domains


def _long_tail(
    generator: np.random.Generator, count: int, size: int, exponent: float, shift: int
) -> np.ndarray:
    """Codes below `size`, int64: the one of rank r comes with (r + shift) ** -exponent."""
    least, most = shift ** (1 - exponent), (size + shift) ** (1 - exponent)
    drawn = (least + generator.random(count) * (most - least)) ** (1 / (1 - exponent)) - shift
    ranks = np.clip(drawn.astype(np.int64), 0, size - 1)
    return ranks * 2_654_435_761 % size  # a prime: ranks scatter over codes, one to one


def _load(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    users, items, domains = (np.load(folder / f"{name}.npy") for name in COLUMNS)
    return users, items, domains


def _compare(folder: Path, k: int, repeats: int) -> None:
    users, items, domains = _load(folder)
    works: dict[str, Callable[[], np.ndarray]] = {
        "k_core_mask": lambda: k_core_mask(users, items, domains, Filters(k_core=k), NUM_DOMAINS),
        "NumPy bincount loop": lambda: _by_numpy(users, items, k),
        "pandas value_counts loop": lambda: _by_pandas(users, items, k),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(repeats):
        masks = []
        for name, work in works.items():
            mask, seconds = _timed(work)
            masks.append(mask)
            times[name].append(seconds)
        if not all(np.array_equal(masks[0], mask) for mask in masks):
            raise RuntimeError("the three keep different rows")
    print(
        f"{len(users):,} rows, {_distinct(users):,} users, {_distinct(items):,} items; "
        f"{k}-core, {masks[0].sum():,} rows left; {repeats} repeats\n"
    )
    print("| what | seconds | times ours | CPU seconds | times ours | least to most |")
    print("|---|---|---|---|---|---|")
    ours = np.median(times["k_core_mask"], axis=0)
    for name, taken in times.items():
        (wall, cpu), (least, most) = np.median(taken, axis=0), np.quantile(taken, (0, 1), axis=0)
        ratios = (wall, cpu) / ours
        cells = f"{wall:.2f} | {ratios[0]:.2f} | {cpu:.2f} | {ratios[1]:.2f}"
        print(f"| {name} | {cells} | {least[1]:.2f} to {most[1]:.2f} |", flush=True)


def _timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, tuple[float, float]]:
    """What comes out, and its seconds by the wall and of the processor."""
    started = time.perf_counter(), time.process_time()
    mask = work()
    return mask, (time.perf_counter() - started[0], time.process_time() - started[1])


def _distinct(codes: np.ndarray) -> int:
    return int(np.count_nonzero(np.bincount(codes)))


def _by_numpy(users: np.ndarray, items: np.ndarray, k: int) -> np.ndarray:
    """The simplest loop: count all that is left anew, until nothing changes."""
    keep = np.ones(len(users), dtype=bool)
    num_users, num_items = users.max() + 1, items.max() + 1
    while True:
        user_counts = np.bincount(users[keep], minlength=num_users)
        item_counts = np.bincount(items[keep], minlength=num_items)
        survives = keep & (user_counts[users] >= k) & (item_counts[items] >= k)
        if survives.sum() == keep.sum():
            return keep
        keep = survives


def _by_pandas(users: np.ndarray, items: np.ndarray, k: int) -> np.ndarray:
    """As most scripts of the field do it."""
    try:
        import pandas as pd
    except ImportError as error:
        raise RuntimeError("pandas is a rival here: pip install pandas, or --repeats 0") from error
    frame = pd.DataFrame({"user": users, "item": items})
    while True:
        before = len(frame)
        frame = frame[frame.user.map(frame.user.value_counts()) >= k]
        frame = frame[frame.item.map(frame.item.value_counts()) >= k]
        if len(frame) == before:
            mask = np.zeros(len(users), dtype=bool)
            mask[frame.index.to_numpy()] = True
            return mask


def _in_own_process(folder: Path, rule: CoreRule, k: int) -> None:
    command = [sys.executable, "-m", "benchmarks.ingest.k_core"]
    command += ["--folder", str(folder), "--rule", rule, "--k", str(k)]
    subprocess.run(command, check=True)


def _measure(folder: Path, rule: CoreRule, k: int) -> None:
    columns = _load(folder)
    filters = Filters(k_core=k, k_core_rule=rule, min_per_domain=2)
    mask, (wall, cpu) = _timed(lambda: k_core_mask(*columns, filters, NUM_DOMAINS))
    own = sum(column.nbytes for column in columns) / 1e6
    cells = f"{wall:.2f} | {cpu:.2f} | {mask.sum():,} | {_peak_bytes() / 1e6:,.0f} | {own:,.0f}"
    print(f"| {rule} | {cells} |", flush=True)


def _peak_bytes() -> int:
    """Of this process, by Linux. Not getrusage, which begins with the peak of the parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
