"""Where the page's figures come from: digests, versions, seeds, machine, and how long it took."""

from collections.abc import Sequence

from pipeline.catalog import Scenario
from pipeline.evaluate.background import Provenance, versions
from pipeline.evaluate.cost import machine
from pipeline.evaluate.document import Block, Bullets, Cell, Fold, Grid, Heading, Paragraph
from pipeline.evaluate.leaderboard_tables import digests_grid
from pipeline.evaluate.report.steps import Step


def provenance_blocks(
    scenario: Scenario, made: Provenance | None, steps: Sequence[Step]
) -> list[Block]:
    blocks: list[Block] = [Bullets(_told(scenario, made))]
    if made is not None:
        blocks += [
            Heading("What the compared systems rest on", 3),
            Fold(f"{len(made.artifacts)} digests and training seeds", (digests_grid(made),)),
        ]
    blocks.append(Heading("How each artifact was made", 3))
    if not steps:
        return [*blocks, Paragraph("This page was written without a record of the runs before it.")]
    timed = [step.seconds for step in steps if step.seconds is not None]
    told = (
        f"The last run of each of the {len(steps)} artifacts above this page; {sum(timed):,.0f}"
        f" seconds in all, of the {len(timed)} that are timed. What was kept from an earlier run"
        " took its time there."
    )
    return [*blocks, Paragraph(told), Fold(f"{len(steps)} artifacts", (_steps_grid(steps),))]


def _told(scenario: Scenario, made: Provenance | None) -> tuple[str, ...]:
    numbers = versions() if made is None else made.versions
    seeds = [f"split {scenario.split.seed}"]
    if made is not None:
        if made.candidate_seeds:
            seeds.append(f"candidates {_list(made.candidate_seeds)}")
        seeds.append(f"training {_list(scenario.training.seeds)}")
        if scenario.training.rival_seeds is not None:
            seeds.append(f"training of the baselines {_list(scenario.training.rival_seeds)}")
        if scenario.experiments:
            own = scenario.experiment_seeds or scenario.training.seeds
            seeds.append(f"experiments {_list(own)}")
    return (
        f"Seeds: {'; '.join(seeds)}.",
        f"Versions: {', '.join(f'{name} {number}' for name, number in numbers)}.",
        f"This page was written on {machine()}.",
        "A digest is of content alone: the same digest means the same rows or numbers.",
    )


def _list(seeds: Sequence[int]) -> str:
    return " ".join(map(str, seeds))


def _steps_grid(steps: Sequence[Step]) -> Grid:
    lines = tuple(
        (
            Cell(step.name, step.partition),
            Cell("" if step.seconds is None else f"{step.seconds:,.1f}"),
            Cell(step.digest),
            Cell(step.version),
            Cell(step.made),
        )
        for step in steps
    )
    header = ("Artifact", "Seconds", "Digest", "Code version", "Made (UTC)")
    return Grid(header, lines, caption="How each artifact was made")
