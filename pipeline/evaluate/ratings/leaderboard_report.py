"""What a rating leaderboard says: figures, how sure they are, and what to be careful about.

Lists of blocks, printed here as Markdown; the scenario's page (pipeline/evaluate/report) has the
same blocks in its own order, and pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.catalog.rating_systems import RATING_OURS
from pipeline.catalog.system_names import shown
from pipeline.evaluate.background import Provenance
from pipeline.evaluate.document import (
    Block,
    Bullets,
    Heading,
    Paragraph,
    Picture,
    to_markdown,
)
from pipeline.evaluate.leaderboard_report import note_blocks, titled
from pipeline.evaluate.leaderboard_tables import digests_grid
from pipeline.evaluate.ratings.background import RatingBackground, RatingCost
from pipeline.evaluate.ratings.comparable import Predicted, read_predicted
from pipeline.evaluate.ratings.convergence import convergence_blocks
from pipeline.evaluate.ratings.leaderboard_tables import (
    Rows,
    cost_grid,
    curves_grid,
    diffcdr_grid,
    errors_grid,
    fallbacks_grid,
    overview_grid,
    rival_grid,
    sizes_grid,
    systems_grid,
)
from pipeline.evaluate.ratings.plots import (
    FLOOR,
    RatingCurves,
    calibration,
    feature_plane,
    prediction_histograms,
)
from pipeline.evaluate.ratings.protocol import differs, protocol
from pipeline.evaluate.ratings.published import DIFFCDR_REMARKS, DIFFCDR_SOURCE
from pipeline.evaluate.ratings.silent_users import silent_blocks
from pipeline.evaluate.ratings.summary import rival_of, sentence


@dataclass(frozen=True, kw_only=True)
class RatingReport:
    scenario: Scenario
    leaderboard: pa.Table  # schema RATING_LEADERBOARD
    predictions: pa.Table  # schema RATING_PREDICTIONS, of all systems
    background: RatingBackground = field(default_factory=RatingBackground)

    @property
    def systems(self) -> list[str]:
        return pc.unique(self.leaderboard["system"]).to_pylist()

    @property
    def places(self) -> dict[float, Rows]:
        """Leaderboard rows by cold ratio, system and metric, lowest RMSE first."""
        found: dict[float, Rows] = {}
        for row in self.leaderboard.to_pylist():
            rows = found.setdefault(row["cold_ratio"], {})
            rows.setdefault(row["system"], {})[row["metric"]] = row
        return {
            ratio: dict(sorted(rows.items(), key=lambda entry: entry[1]["RMSE"]["mean"]))
            for ratio, rows in sorted(found.items())
        }

    def looked_at(self) -> dict[float, list[Predicted]]:
        """Test predictions of ours, the baseline to beat and the floor, by cold ratio."""
        return {
            ratio: [
                predicted
                for predicted in read_predicted(self.predictions, ratio, "test")
                if predicted.system in (*RATING_OURS, rival_of(rows), FLOOR)
            ]
            for ratio, rows in self.places.items()
        }


def markdown_report(report: RatingReport) -> str:
    return to_markdown(_blocks(report))


def headline_tables(report: RatingReport) -> dict[str, str]:
    """The errors of each cold ratio, as Markdown."""
    return {
        f"cold ratio {ratio:g}": to_markdown([errors_grid(rows)])
        for ratio, rows in report.places.items()
    }


def _blocks(report: RatingReport) -> list[Block]:
    rows, background = report.leaderboard.to_pylist(), report.background
    return [
        Heading(f"Ratings of cold users: {report.scenario.name}", 1),
        Bullets(tuple(sentence(ratio, own) for ratio, own in report.places.items())),
        overview_grid(report.places),
        Paragraph("Lowest mean RMSE first; lower is better, and the lowest of a column is bold."),
        *titled("Sizes", size_blocks(report)),
        *(block for ratio, own in report.places.items() for block in ratio_blocks(ratio, own)),
        *picture_blocks(report),
        Heading("A published table of the same task"),
        *published_blocks(),
        *titled("Cost", cost_blocks(background.costs)),
        *training_blocks(background.curves),
        Heading("Systems"),
        systems_grid(report.systems),
        Heading("Protocol"),
        Bullets(protocol(report.scenario, rows, rating_range(report))),
        *titled("What differs from the paper's setting", differs_blocks(report.scenario)),
        *titled("Notes", note_blocks(background.notes)),
        *_provenance_blocks(background.provenance),
    ]


def published_blocks() -> list[Block]:
    """Figures of the same task on other data."""
    return [
        Paragraph(f"MAE / RMSE. Published: {DIFFCDR_SOURCE}."),
        diffcdr_grid(),
        Bullets(DIFFCDR_REMARKS),
    ]


def ratio_blocks(ratio: float, rows: Rows) -> list[Block]:
    tested = next(iter(rows.values()))["RMSE"]
    rival = rival_of(rows)
    chosen = f" Baseline to beat: {shown(rival)}, chosen on validation users." if rival else ""
    blocks: list[Block] = [
        Heading(f"Cold ratio {ratio:g}"),
        Paragraph(f"{tested['num_ratings']} ratings of {tested['num_users']} test users.{chosen}"),
        errors_grid(rows),
    ]
    if rival is not None:
        blocks += [Heading(f"Less {shown(rival)}: below zero is better", 3), rival_grid(rows)]
    return blocks


def size_blocks(report: RatingReport) -> list[Block]:
    sizes, fallbacks = report.background.sizes, report.background.fallbacks
    blocks: list[Block] = [sizes_grid(sizes, report.places)] if sizes else []
    if fallbacks:
        told = "Items and users without anything to read, for systems that read features."
        blocks += [Paragraph(told), fallbacks_grid(fallbacks)]
    return blocks


def picture_blocks(report: RatingReport) -> list[Block]:
    places = report.looked_at()
    silent = report.background.silent
    blocks: list[Block] = [
        *(silent_blocks(silent, places) if silent else ()),
        *convergence_blocks(report.background.convergence),
        Heading("What is predicted"),
        Paragraph(
            "Ours, the baseline to beat and item means, on the test ratings, all training seeds"
            " together."
        ),
        Picture("Calibration: mean rating given by mean prediction", calibration(places)),
        Picture("Predicted ratings", prediction_histograms(places, rating_range(report))),
    ]
    if report.background.features is not None:
        blocks += [
            Heading("Generated and true target features"),
            Paragraph(
                "Training users of both domains, so in-sample: of cold users there is no true"
                " feature, because their target reviews are left out. A line joins the two"
                " features of one user; the axes are the principal ones of both sets together."
            ),
            Picture("Generated and true features", feature_plane(report.background.features)),
        ]
    return blocks


def cost_blocks(costs: Sequence[RatingCost]) -> list[Block]:
    if not costs:
        return []
    machines = dict.fromkeys(cost.scoring.machine for cost in costs)
    told = [
        "Parameters: those of all stages together. Stored numbers: all in a weights file, counts"
        " among them; frozen features belong to no system and are left out, and so is what"
        " extracting them costs.",
        "Training: seconds of all stages of one seed at one cold ratio, in the mean, validation"
        " after each epoch included, on the machine that trained. Counting is not timed.",
        "Predicting: the test ratings of the last cold ratio, measured once, in milliseconds for"
        " each test user.",
    ]
    for machine in machines:
        some = [shown(cost.system) for cost in costs if cost.scoring.machine == machine]
        told.append(f"Predicted on {machine}: {'all' if len(machines) == 1 else ', '.join(some)}.")
    return [cost_grid(costs), Bullets(tuple(told))]


def training_blocks(curves: RatingCurves) -> list[Block]:
    return [Heading("Training"), curves_grid(curves)] if curves else []


def differs_blocks(scenario: Scenario) -> list[Block]:
    told = differs(scenario)
    return [Bullets(told)] if told else []


def _provenance_blocks(made: Provenance | None) -> list[Block]:
    if made is None:
        return []
    told = (
        f"Seeds: split {made.split_seed}; those of training stand beside the weights.",
        f"Compared with {', '.join(f'{name} {number}' for name, number in made.versions)}.",
        "A digest is of content alone: the same digest means the same rows or numbers.",
    )
    return [Heading("Provenance"), Bullets(told), digests_grid(made)]


def rating_range(report: RatingReport) -> tuple[float, float]:
    test = report.predictions.filter(pc.equal(report.predictions["part"], "test"))
    ends = pc.min_max(test["rating"]).as_py()
    return ends["min"], ends["max"]
