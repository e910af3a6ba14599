"""What the leaderboard says: figures, how sure they are, and what to be careful about.

Lists of blocks, printed here as Markdown; the scenario's page (pipeline/evaluate/report) has the
same blocks in its own order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.system_names import shown
from pipeline.catalog.systems import OURS
from pipeline.evaluate.background import Background, Curves, Provenance
from pipeline.evaluate.cost import SystemCost
from pipeline.evaluate.document import (
    Block,
    Bullets,
    Heading,
    Paragraph,
    to_markdown,
)
from pipeline.evaluate.leaderboard_tables import (
    Rows,
    against_published_grid,
    cost_grid,
    curves_grid,
    digests_grid,
    figures_grid,
    interval_text,
    intervals_grid,
    overview_grid,
    p_text,
    published_grid,
    rival_grid,
    systems_grid,
)
from pipeline.evaluate.protocol import candidate_counts, chance, protocol
from pipeline.evaluate.published import PublishedTable

_POOL_TITLES = {
    "target": "Negatives from the target domain (primary)",
    "all": "Negatives from all domains (secondary, easier)",
    "full": "All items of the target domain",
}


@dataclass(frozen=True, kw_only=True)
class Report:
    scenario: str
    leaderboard: pa.Table  # schema LEADERBOARD
    ranks: pa.Table  # schema RANKS, the test users: tells how many candidates each one had
    published: PublishedTable | None = None
    background: Background = field(default_factory=Background)

    @property
    def domains(self) -> list[str]:
        return pc.unique(self.leaderboard["target_domain"]).to_pylist()

    @property
    def systems(self) -> list[str]:
        return pc.unique(self.leaderboard["system"]).to_pylist()

    def rows(self, domain: str, pool: str) -> Rows:
        """Leaderboard rows by system and metric, best HR@10 first."""
        found: Rows = {}
        for row in self.leaderboard.to_pylist():
            if row["target_domain"] == domain and row["pool"] == pool:
                found.setdefault(row["system"], {})[row["metric"]] = row
        return dict(sorted(found.items(), key=lambda entry: -entry[1]["HR@10"]["mean"]))

    @property
    def places(self) -> dict[str, Rows]:
        """The rows of the primary pool, by domain."""
        return {domain: self.rows(domain, "target") for domain in self.domains}


def markdown_report(report: Report) -> str:
    return to_markdown(_blocks(report))


def headline_tables(report: Report) -> dict[str, str]:
    """The primary pool's table of each target domain, as Markdown."""
    return {
        domain: to_markdown(_pool_blocks(report, domain, "target")) for domain in report.domains
    }


def _blocks(report: Report) -> list[Block]:
    return [
        Heading(f"Leaderboard: {report.scenario}", 1),
        Bullets(_summary(report)),
        overview_grid(report.places),
        Paragraph("Best mean HR@10 first; negatives from the target domain; the best is bold."),
        *(
            block
            for domain in report.domains
            for block in (*domain_blocks(report, domain), *quoted_blocks(report, domain))
        ),
        *published_blocks(report),
        *titled("Cost", cost_blocks(report.background.costs)),
        *training_blocks(report.background.curves),
        Heading("Systems"),
        systems_grid(report.systems),
        Heading("Protocol"),
        Bullets(protocol(report.leaderboard, report.ranks)),
        *titled("Notes", note_blocks(report.background.notes)),
        *provenance_blocks(report.background.provenance),
    ]


def titled(title: str, blocks: list[Block]) -> list[Block]:
    """Blocks below a heading; nothing where there are none."""
    return [Heading(title), *blocks] if blocks else []


def _summary(report: Report) -> tuple[str, ...]:
    sentences = []
    for domain, rows in report.places.items():
        best, row = next((system, row["HR@10"]) for system, row in rows.items())
        rival = _rival(rows)
        told = f"{domain}: {shown(best)} leads with HR@10 {row['mean']:.4f} {interval_text(row)}"
        if rival:
            told += f"; the baseline to beat is {shown(rival)}"
        if rival and row["versus"]:
            told += f" with {rows[rival]['HR@10']['mean']:.4f} (p {_relation(row['p_value'])})"
        sentences.append(f"{told}.")
    return tuple(sentences)


def domain_blocks(report: Report, domain: str) -> list[Block]:
    rows = report.rows(domain, "target")
    num_users = next(iter(rows.values()))["HR@10"]["num_users"]
    rival = _rival(rows)
    chosen = f" Baseline to beat: {shown(rival)}, chosen on validation users." if rival else ""
    blocks: list[Block] = [
        Heading(f"Target domain: {domain}"),
        Paragraph(f"{num_users} test users.{chosen}"),
        Heading(_POOL_TITLES["target"], 3),
        *_pool_blocks(report, domain, "target"),
        Paragraph(
            "How sure these figures are: 95 % interval over users, \u00b1 standard deviation over"
            " training seeds. The leaderboard's table holds those of the other pools too."
        ),
        intervals_grid(rows),
    ]
    if rival and any(system in OURS for system in rows):
        blocks += [Heading("Ours against the baseline to beat", 3), rival_grid(rows)]
    for pool in ("all", "full"):
        blocks += [Heading(_POOL_TITLES[pool], 3), *_pool_blocks(report, domain, pool)]
    return blocks


def quoted_blocks(report: Report, domain: str) -> list[Block]:
    """Published figures of a domain beside ours."""
    if report.published is None or not report.published.of_domain(domain):
        return []
    return [
        Heading("Published figures beside ours", 3),
        Paragraph(f"Published: {report.published.source}."),
        published_grid(report.published, domain, report.rows(domain, "target")),
    ]


def _pool_blocks(report: Report, domain: str, pool: str) -> list[Block]:
    """Systems by HR@10 in one domain and pool."""
    rows = report.rows(domain, pool)
    expected = chance(candidate_counts(report.ranks, domain, pool))
    return [figures_grid(rows, _rival(rows), expected)]


def published_blocks(report: Report) -> list[Block]:
    """Ours against the paper's own method, and what to know before comparing."""
    published = report.published
    if published is None:
        return []
    blocks: list[Block] = []
    grid = against_published_grid(published, report.places)
    if grid.rows:
        blocks += [
            Heading(f"Ours against the published {published.compared}"),
            Paragraph(
                "The standard error is ours alone, a bootstrap over our test users; it knows"
                " nothing of the spread over training seeds. The published value is taken as a"
                " fixed number, though it has a sampling error of about the same size: the error of"
                " a difference is about 1.4 times the one here, and differences below three of"
                " these standard errors prove little. Candidates, seeds and settings differ too,"
                " see below."
            ),
            grid,
        ]
    return [
        *blocks,
        Heading("What differs from the published setting"),
        Bullets(published.differs),
        Heading("About the published figures", 3),
        Bullets(published.remarks),
    ]


def cost_blocks(costs: Sequence[SystemCost]) -> list[Block]:
    if not costs:
        return []
    machines = dict.fromkeys(cost.scoring.machine for cost in costs)
    num_users = max(cost.scoring.num_users for cost in costs)
    told = [
        "Trained numbers: what the last stage of training changes, encoders that it holds fast"
        " left out. Stored numbers: all in a weights file, counts among them; frozen text vectors"
        " belong to no system and are left out.",
        "Training: seconds of one seed, in the mean over seeds, validation after each epoch"
        " included, on the machine that trained. Counting is one pass and is not timed, nor is it"
        " where a system that learns begins with it.",
        f"Scoring: seconds to score all {num_users} test users once, every item of the scenario,"
        " without ranking, measured once.",
    ]
    for machine in machines:
        some = [shown(cost.system) for cost in costs if cost.scoring.machine == machine]
        told.append(f"Scored on {machine}: {'all' if len(machines) == 1 else ', '.join(some)}.")
    return [cost_grid(costs), Bullets(tuple(told))]


def training_blocks(curves: Curves) -> list[Block]:
    return [Heading("Training"), curves_grid(curves)] if curves else []


def note_blocks(notes: tuple[str, ...]) -> list[Block]:
    return [Bullets(notes)] if notes else []


def provenance_blocks(made: Provenance | None) -> list[Block]:
    if made is None:
        return []
    candidates = " ".join(str(seed) for seed in made.candidate_seeds)
    told = (
        f"Seeds: split {made.split_seed}; candidates {candidates}; those of training stand beside"
        " the weights.",
        f"Compared with {', '.join(f'{name} {number}' for name, number in made.versions)}.",
        "A digest is of content alone: the same digest means the same rows or numbers.",
    )
    return [Heading("Provenance"), Bullets(told), digests_grid(made)]


def _rival(rows: Rows) -> str | None:
    """The baseline to beat, as the other systems' rows name it."""
    named = {row["HR@10"]["versus"] for row in rows.values()} - {None}
    return named.pop() if named else None


def _relation(value: float) -> str:
    text = p_text(value)
    return text if text.startswith("<") else f"= {text}"
