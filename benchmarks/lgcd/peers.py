"""LGCD and our evaluator beside LLMCDSR's released code, on Food-Kitchen and the CPU.

    git clone https://github.com/xhran2010/LLMCDSR
    pip install --no-deps --target packages higher==0.2.1
    PYTHONPATH=packages python -m benchmarks.lgcd.peers --peer LLMCDSR --data data

`--data` is a data folder whose scenario food-kitchen is prepared: sequences, candidates, item
text. Every measurement is a process of its own, and they take turns; figures are medians over
rounds. Seconds on processors (of all threads) tell more than seconds by the clock where others
use the machine. Prints Markdown tables.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RELEASED = ("released_training", "released_evaluation")

TRAINING = {
    "released_training": "LLMCDSR, released code",
    "llmcdsr_every_step": "our `llmcdsr`, a meta step at every step",
    "llmcdsr": "our `llmcdsr`, as trained",
    "lgcd_literal": "LGCD stage 2, whole reverse chain, pseudo users labelled",
    "lgcd": "LGCD stage 2, as trained",
}


def main() -> None:
    options = _options()
    if options.measure:
        print(json.dumps(_measured(options)))
        return
    for table in options.tables:
        TABLES[table](options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, required=True, help="checkout of LLMCDSR")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--tables", nargs="+", choices=tuple(TABLES), default=tuple(TABLES))
    parser.add_argument("--systems", nargs="+", choices=tuple(TRAINING), default=tuple(TRAINING))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--steps", type=int, default=1000, help="of ours; at most an epoch's")
    parser.add_argument("--peer-steps", type=int, default=30)
    parser.add_argument("--users", type=int, default=937, help="whom the peer evaluates")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    options.peer, options.data = options.peer.resolve(), options.data.resolve()
    wanted = (
        options.peer / "trainer.py",
        options.peer / "data/food-kitchen/num.txt",
        options.data / "catalog.toml",
        *(
            options.data / "store" / artifact / "food-kitchen.parquet"
            for artifact in ("vocabulary", "sequences", "candidates")
        ),
        options.data / "store/item_text/food-kitchen.safetensors",
    )
    for path in wanted:
        if not path.exists():
            parser.error(f"{path} is missing; see the top of {Path(__file__).name}")
    return options


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    name = options.measure
    if name in RELEASED:
        from benchmarks.lgcd import released

        amount = options.peer_steps if name == "released_training" else options.users
        return released.WORKLOADS[name](options.peer, amount)
    from benchmarks.lgcd import ours

    more = (options.steps,) if name in TRAINING else ()
    return ours.WORKLOADS[name](options.data, *more)


def _in_turns(
    options: argparse.Namespace, names: tuple[str, ...], threads: int
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            found[name].append(_run(options, name, threads))
    return found


def _run(options: argparse.Namespace, name: str, threads: int) -> dict[str, Any]:
    """One measurement in a fresh process."""
    passed = ("peer", "data", "steps", "peer_steps", "users")
    named = [
        word
        for option in passed
        for word in (f"--{option.replace('_', '-')}", str(getattr(options, option)))
    ]
    command = [sys.executable, "-m", "benchmarks.lgcd.peers", *named, "--measure", name]
    # Threads that wait sleep: seconds on processors then count work, not waiting.
    threads_of = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | threads_of, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"measuring {name} failed; the reason stands above")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _training(options: argparse.Namespace) -> None:
    print(
        "\n| threads | training | steps measured | CPU ms a step | ms a step | steps an epoch |"
        " CPU s an epoch | s an epoch | times the released code, CPU | peak MB |\n"
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    told: list[str] = []
    for threads in options.threads:
        found = _in_turns(options, tuple(options.systems), threads)
        released = None
        for name, runs in found.items():
            cpu, wall = (
                _median(run[key] / run["steps"] for run in runs) for key in ("cpu", "wall")
            )
            epoch_steps = runs[0]["epoch_steps"]
            if name == "released_training":
                released = cpu * epoch_steps
            ratio = f"{released / (cpu * epoch_steps):.1f}" if released else ""
            peak = max(run["peak_mb"] for run in runs)
            print(
                f"| {threads} | {TRAINING[name]} | {runs[0]['steps']} | {cpu * 1e3:.0f} |"
                f" {wall * 1e3:.0f} | {epoch_steps} | {cpu * epoch_steps:.1f} |"
                f" {wall * epoch_steps:.1f} | {ratio} | {peak:,.0f} |",
                flush=True,
            )
            if "composition" in runs[0]:
                told.append(f"{threads} threads, {TRAINING[name]}: {runs[0]['composition']}.")
    print("\n" + "\n".join(told))


def _pseudo_users(options: argparse.Namespace) -> None:
    print("\n| threads | pseudo users by co-occurrence | CPU s | s | peak MB |")
    print("|---:|---:|---:|---:|---:|")
    for threads in options.threads:
        runs = _in_turns(options, ("cooccurrence_users",), threads)["cooccurrence_users"]
        cpu, wall = (_median(run[key] for run in runs) for key in ("cpu", "wall"))
        peak = max(run["peak_mb"] for run in runs)
        users = runs[0]["users"]
        print(f"| {threads} | {users:,} | {cpu:.1f} | {wall:.1f} | {peak:,.0f} |", flush=True)


def _evaluation(options: argparse.Namespace) -> None:
    print(
        "\n| threads | evaluation | users | candidate sets | CPU s | s |"
        " CPU ms for a user and set |\n|---:|---|---:|---:|---:|---:|---:|"
    )
    notes = []
    for threads in options.threads:
        found = _in_turns(options, ("released_evaluation", "evaluation"), threads)
        peer, own = found["released_evaluation"], found["evaluation"]
        users, sets = own[0]["users"], own[0]["sets"]
        for what, runs, part, count, ranked in (
            ("their model, their evaluator", peer, "theirs", peer[0]["users"], 1),
            ("their evaluator draws the candidates", peer, "drawing", peer[0]["users"], 1),
            ("their model, our evaluator", peer, "ours", peer[0]["users"], 2),
            ("our SASRec of that size, our evaluator", own, "sasrec", users, sets),
            ("LGCD, our evaluator", own, "lgcd", users, sets),
            ("our evaluator reads the candidates", own, "reading", own[0]["users_read"], sets - 1),
        ):
            cpu, wall = (_median(run[part][key] for run in runs) for key in ("cpu", "wall"))
            print(
                f"| {threads} | {what} | {count} | {ranked} | {cpu:.2f} | {wall:.2f} |"
                f" {cpu / count / ranked * 1e3:.3f} |",
                flush=True,
            )
        worst = max(_difference(run) for run in peer)
        peak = max(run["peak_mb"] for run in own)
        notes.append(
            f"{threads} threads: on the same model, users and candidates HR and NDCG at 5 and 10"
            f" of the two evaluators differ by at most {worst:.1e} (HR@10: {_hits(peer[0])}); our"
            f" process peaks at {peak:,.0f} MB."
        )
    print("\n" + "\n".join(notes))


def _difference(run: dict[str, Any]) -> float:
    theirs, ours = run["theirs_found"], run["ours_found"]
    assert theirs.keys() == ours.keys()
    return max(abs(theirs[name] - ours[name]) for name in theirs)


def _hits(run: dict[str, Any]) -> str:
    found = run["theirs_found"]
    return " and ".join(f"{found[f'{domain} HR@10']:.4f}" for domain in ("A", "B"))


def _median(values: Any) -> float:
    return statistics.median(values)


TABLES = {"training": _training, "pseudo_users": _pseudo_users, "evaluation": _evaluation}

if __name__ == "__main__":
    main()
