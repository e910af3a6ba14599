"""What the leaderboard's report says: figures, how sure they are, and what to be careful about.

The report is a list of blocks, printed as Markdown and as one HTML page with the same content
(the pictures are in the page alone).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.evaluate.comparable import read_rankings
from pipeline.evaluate.document import (
    Block,
    Bullets,
    Cell,
    Grid,
    Heading,
    Paragraph,
    Picture,
    to_html,
    to_markdown,
)
from pipeline.evaluate.plots import Curves, hit_rate_bars, training_curves
from pipeline.evaluate.published import PublishedTable
from pipeline.evaluate.ranking import METRICS, RANKED_POOLS

Row = dict[str, Any]

_POOL_TITLES = {
    "target": "Negatives from the target domain (primary)",
    "all": "Negatives from all domains (secondary, easier)",
    "full": "All items of the target domain",
}
_TESTED = ("HR@10", "NDCG@10")  # the metrics whose p-values are printed


@dataclass(frozen=True, kw_only=True)
class Report:
    scenario: str
    leaderboard: pa.Table  # schema LEADERBOARD
    ranks: pa.Table  # schema RANKS, the test users: tells how many candidates each one had
    published: PublishedTable | None = None
    notes: tuple[str, ...] = ()
    curves: Curves | None = None

    @property
    def domains(self) -> list[str]:
        return pc.unique(self.leaderboard["target_domain"]).to_pylist()

    @property
    def systems(self) -> list[str]:
        return pc.unique(self.leaderboard["system"]).to_pylist()

    def rows(self, domain: str, pool: str) -> dict[str, dict[str, Row]]:
        """Leaderboard rows by system and metric, best HR@10 first."""
        found: dict[str, dict[str, Row]] = {}
        for row in self.leaderboard.to_pylist():
            if row["target_domain"] == domain and row["pool"] == pool:
                found.setdefault(row["system"], {})[row["metric"]] = row
        return dict(sorted(found.items(), key=lambda entry: -entry[1]["HR@10"]["mean"]))


def markdown_report(report: Report) -> str:
    return to_markdown(_blocks(report))


def html_report(report: Report) -> str:
    return to_html(_title(report), _blocks(report))


def headline_tables(report: Report) -> dict[str, str]:
    """The primary pool's table of each target domain, as Markdown."""
    return {domain: to_markdown([_grid(report, domain, "target")]) for domain in report.domains}


def chance(num_candidates: np.ndarray) -> dict[str, float]:
    """What random order is expected to reach, by metric, for any array of candidate counts."""
    rank = np.arange(1, 11)
    # Each place is equally likely; a place beyond the last candidate does not exist.
    share = (rank[:, None] <= num_candidates.reshape(1, -1)) / num_candidates.reshape(1, -1)
    gain: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "HR": np.ones_like,
        "NDCG": lambda place: 1 / np.log2(place + 1),
    }
    expected = {}
    for metric in METRICS:
        name, k = metric.split("@")
        weight = gain[name](rank.astype(float)) * (rank <= int(k))
        expected[metric] = float((weight @ share).mean())
    return expected


def _title(report: Report) -> str:
    return f"Leaderboard: {report.scenario}"


def _blocks(report: Report) -> list[Block]:
    blocks: list[Block] = [Heading(_title(report), 1), Bullets(_summary(report))]
    blocks.append(
        Picture("HR@10, negatives from the target domain", hit_rate_bars(report.leaderboard))
    )
    for domain in report.domains:
        blocks += _domain_blocks(report, domain)
    if report.curves:
        blocks += [Heading("Training"), _curves_grid(report.curves)]
        blocks.append(Picture("Training curves", training_curves(report.curves)))
    blocks += _difference_blocks(report.published)
    blocks += [Heading("Protocol"), Bullets(_protocol(report))]
    if report.notes:
        blocks += [Heading("Notes"), Bullets(report.notes)]
    return blocks


def _summary(report: Report) -> tuple[str, ...]:
    sentences = []
    for domain in report.domains:
        rows = report.rows(domain, "target")
        best, row = next((system, row["HR@10"]) for system, row in rows.items())
        rival = _rival(rows)
        against = f"; the baseline to beat is {rival}" if rival else ""
        if rival and row["versus"]:
            against += f" with {rows[rival]['HR@10']['mean']:.4f} (p {_p(row['p_value'])})"
        sentences.append(
            f"{domain}: {best} leads with HR@10 {row['mean']:.4f} {_interval(row)}{against}."
        )
    return tuple(sentences)


def _domain_blocks(report: Report, domain: str) -> list[Block]:
    rows = report.rows(domain, "target")
    num_users = next(iter(rows.values()))["HR@10"]["num_users"]
    rival = _rival(rows)
    chosen = f" Baseline to beat: {rival}, chosen on validation users." if rival else ""
    blocks: list[Block] = [
        Heading(f"Target domain: {domain}"),
        Paragraph(f"{num_users} test users.{chosen}"),
    ]
    for pool in RANKED_POOLS:
        blocks += [Heading(_POOL_TITLES[pool], 3), _grid(report, domain, pool)]
    if report.published and report.published.of_domain(domain):
        blocks += [Heading("Published figures beside ours", 3)]
        blocks.append(Paragraph(f"Published: {report.published.source}."))
        blocks.append(_published_grid(report.published, domain, rows))
    return blocks


def _grid(report: Report, domain: str, pool: str) -> Grid:
    """Systems by HR@10: mean, interval over users, spread over training seeds, p-values."""
    rows = report.rows(domain, pool)
    best = {name: max(row[name]["mean"] for row in rows.values()) for name in METRICS}
    lines = []
    for system, row in rows.items():
        figures = [
            Cell(f"{row[name]['mean']:.4f}", _detail(row[name]), row[name]["mean"] == best[name])
            for name in METRICS
        ]
        tests = [_test_cell(row[name], _rival(rows)) for name in _TESTED]
        lines.append((Cell(system), *figures, *tests))
    counts = read_rankings(report.ranks, domain, pool)[0].num_candidates_CN
    expected = [Cell(f"{value:.4f}") for value in chance(counts).values()]
    lines.append((Cell("random order, expected"), *expected, *(Cell("") for _ in _TESTED)))
    header = ("System", *METRICS, *(f"p ({name})" for name in _TESTED))
    return Grid(header, tuple(lines))


def _published_grid(
    published: PublishedTable, domain: str, ours: dict[str, dict[str, Row]]
) -> Grid:
    entries = [(row.method, "published", row.values) for row in published.of_domain(domain)]
    for system, row in ours.items():
        entries.append((system, "ours", {name: row[name]["mean"] for name in METRICS}))
    entries.sort(key=lambda entry: -entry[2]["HR@10"])
    lines = [
        (
            Cell(method, strong=origin == "ours"),
            Cell(origin),
            *(Cell(f"{values[name]:.4f}", strong=origin == "ours") for name in METRICS),
        )
        for method, origin, values in entries
    ]
    return Grid(("Method", "From", *METRICS), tuple(lines))


def _curves_grid(curves: Curves) -> Grid:
    """Where each run was best on validation; a best last epoch says that it wanted more."""
    lines = []
    for name, scores in sorted(curves.items()):
        best = int(np.argmax(scores))
        figures = (str(len(scores)), f"{scores[best]:.4f}", str(best + 1))
        lines.append((Cell(name), *(Cell(figure) for figure in figures)))
    return Grid(("Run", "Epochs", "Best validation score", "At epoch"), tuple(lines))


def _difference_blocks(published: PublishedTable | None) -> list[Block]:
    if published is None:
        return []
    return [
        Heading("What differs from the published setting"),
        Bullets(published.differs),
        Heading("About the published figures", 3),
        Bullets(published.remarks),
    ]


def _protocol(report: Report) -> tuple[str, ...]:
    seeds = {row["system"]: row["num_seeds"] for row in report.leaderboard.to_pylist()}
    trained = ", ".join(f"{system} {count}" for system, count in seeds.items())
    popularity = (
        "Popularity is always among the systems: a figure below it has learned nothing."
        if "popularity" in report.systems
        else "Popularity is missing from the scenario's systems; without it no figure has a floor."
    )
    return (
        "Each test user's history holds items of the other domain alone; one held-out item of the"
        " target domain is to be found among the candidates.",
        *_candidate_sentences(report),
        "Every system is told the target domain, and scores of other domains' items are ignored"
        " for all systems alike. Of negatives from all domains only those of the target domain"
        " compete, so that pool is easier than the primary one.",
        "Negatives were drawn once for each seed, saved, and shared by all systems; the held-out"
        " item is never among its own negatives.",
        "Ties count half: rank = 1 + better + equal / 2, so equal scores for all hit nothing.",
        "HR@k is the share of users whose item ranks k or better; NDCG@k is 1 / log2(rank + 1)"
        " there, else 0. Both are averaged over users, candidate seeds and training seeds.",
        "In parentheses: 95 % bootstrap interval over users. After the sign \u00b1: sample standard"
        f" deviation over training seeds. Training seeds: {trained}; a system with one seed is"
        " deterministic or was trained once.",
        "p: two-sided paired bootstrap over users against the baseline to beat of the same target"
        " domain, not corrected for the number of systems. That baseline is the one with the"
        " highest NDCG@10 on validation users; the test users choose nothing.",
        "Random order, expected: what a shuffle of the same candidates reaches in the mean.",
        popularity,
    )


def _candidate_sentences(report: Report) -> list[str]:
    sentences = []
    for domain in report.domains:
        counts = []
        for pool in RANKED_POOLS:
            ranking = read_rankings(report.ranks, domain, pool)[0]
            seeds = "" if pool == "full" else f", seeds {_list(ranking.candidate_seed_C)}"
            counts.append(f"{np.median(ranking.num_candidates_CN):.0f} (pool {pool}{seeds})")
        sentences.append(
            f"Candidates that compete in {domain}, the held-out item included, median:"
            f" {', '.join(counts)}."
        )
    return sentences


def _list(seeds: np.ndarray) -> str:
    return " ".join(str(seed) for seed in seeds)


def _rival(rows: dict[str, dict[str, Row]]) -> str | None:
    """The baseline to beat, as the other systems' rows name it."""
    named = {row["HR@10"]["versus"] for row in rows.values()} - {None}
    return named.pop() if named else None


def _detail(row: Row) -> str:
    spread = "" if row["seed_std"] is None else f" \u00b1 {row['seed_std']:.3f}"
    return _interval(row) + spread


def _test_cell(row: Row, rival: str | None) -> Cell:
    if row["p_value"] is None:
        return Cell("to beat" if row["system"] == rival else "")
    return Cell(_p(row["p_value"]).removeprefix("= "))


def _interval(row: Row) -> str:
    return f"({row['low']:.3f} to {row['high']:.3f})"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
