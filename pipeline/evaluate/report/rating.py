"""What the page tells of a scenario where ratings of cold users are predicted."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from pipeline.catalog import Scenario
from pipeline.catalog.rating_systems import FEATURE_EXPERIMENTS, RATING_OURS
from pipeline.catalog.system_names import shown
from pipeline.evaluate.document import Block, Bullets, Fold, Heading, lowered
from pipeline.evaluate.leaderboard_report import note_blocks
from pipeline.evaluate.ratings.comparable import Predicted, read_predicted
from pipeline.evaluate.ratings.errors import seed_errors
from pipeline.evaluate.ratings.experiment_report import (
    HOW_TO_READ,
    experiment_figures,
    experiment_summary,
)
from pipeline.evaluate.ratings.gather import gather_rating_background
from pipeline.evaluate.ratings.leaderboard_report import (
    RatingReport,
    cost_blocks,
    differs_blocks,
    picture_blocks,
    published_blocks,
    rating_range,
    ratio_blocks,
    size_blocks,
)
from pipeline.evaluate.ratings.leaderboard_tables import curves_grid, systems_grid
from pipeline.evaluate.ratings.plots import RatingCurves
from pipeline.evaluate.ratings.protocol import protocol
from pipeline.evaluate.ratings.source_costs import load_source_costs, source_blocks
from pipeline.evaluate.report.ablations import experiment_charts, experiments_part
from pipeline.evaluate.report.board import (
    LEGEND,
    Board,
    board_charts,
    board_grid,
    headline,
    how_to_read,
)
from pipeline.evaluate.report.curves import training_part
from pipeline.evaluate.report.markup import Part
from pipeline.evaluate.report.rating_examples import rating_example_blocks
from pipeline.evaluate.report.rating_slices import rating_slices
from pipeline.evaluate.report.slices import slice_blocks, slices_told
from pipeline.evaluate.report.told import Told
from pipeline.store import Store
from pipeline.train.ratings.experiments import rating_experiment

_METRIC = "RMSE"


def tell_rating(scenario: Scenario, store: Store) -> Told:
    """ValueError names an artifact that is missing; experiments may be."""
    report = RatingReport(
        scenario=scenario,
        leaderboard=store.read_table(f"rating_leaderboard/{scenario.name}"),
        predictions=pa.concat_tables(
            store.read_table(f"predictions/{scenario.name}/{system}") for system in scenario.systems
        ),
        background=gather_rating_background(scenario, store),
    )
    board = _board(report)
    left_out: list[str] = []
    background = report.background
    parts = [
        Part(anchor="leaderboard", title="Leaderboard", blocks=_leaderboard(report, board)),
        Part(anchor="published", title="Published figures", blocks=tuple(published_blocks())),
        Part(anchor="slices", title="Slices", blocks=_slices(report, board, store)),
        Part(
            anchor="predictions", title="Predictions", blocks=tuple(lowered(picture_blocks(report)))
        ),
        *experiments_part(
            scenario, store, HOW_TO_READ, partial(_experiment, scenario, store), left_out
        ),
        Part(anchor="examples", title="Examples", blocks=_examples(report, board, store)),
        *_training(background.curves, left_out),
        Part(anchor="cost", title="Cost", blocks=tuple(cost_blocks(background.costs))),
        Part(anchor="method", title="Systems and protocol", blocks=_method(report)),
    ]
    return Told(
        lead=tuple(headline(board)),
        parts=tuple(parts),
        left_out=tuple(left_out),
        provenance=background.provenance,
    )


def _place(ratio: float) -> str:
    return f"at cold ratio {ratio:g}"


def _board(report: RatingReport) -> Board:
    ours = tuple(system for system in report.systems if system in RATING_OURS)
    return Board(
        metric=_METRIC,
        lower_is_better=True,
        task=f"predicts cold users' ratings in {report.scenario.domains[1]} with",
        places={
            _place(ratio): {system: row[_METRIC] for system, row in rows.items()}
            for ratio, rows in report.places.items()
        },
        ours=ours,
        chosen=_preferred(report, ours),
    )


def _preferred(report: RatingReport, ours: tuple[str, ...]) -> str | None:
    """The one of ours with the lowest mean RMSE over cold ratios, on validation ratings."""
    errors: dict[str, float] = dict.fromkeys(ours, 0.0)
    for ratio in report.places:
        for predicted in read_predicted(report.predictions, ratio, "valid"):
            if predicted.system in errors:
                errors[predicted.system] += float(seed_errors(predicted, _METRIC).mean())
    return min(errors, key=lambda system: errors[system]) if errors else None


def _pair(report: RatingReport, board: Board, ratio: float) -> list[Predicted]:
    """Test predictions of the system the page is about, and of the baseline to beat."""
    found = {one.system: one for one in read_predicted(report.predictions, ratio, "test")}
    return [found[system] for system in board.pair(_place(ratio))]


def _leaderboard(report: RatingReport, board: Board) -> tuple[Block, ...]:
    folds = [
        Fold(f"All figures of cold ratio {ratio:g}", tuple(lowered(ratio_blocks(ratio, rows))))
        for ratio, rows in report.places.items()
    ]
    return (
        board_grid(board),
        *how_to_read(board),
        board_charts(board),
        LEGEND,
        *folds,
        Fold("Sizes: who trains, validates and tests", tuple(size_blocks(report))),
    )


def _slices(report: RatingReport, board: Board, store: Store) -> tuple[Block, ...]:
    blocks: list[Block] = [slices_told(f"{_METRIC} (lower is better)")]
    for ratio in report.places:
        place, systems = _place(ratio), _pair(report, board, ratio)
        kinds = {one.system: board.kind(one.system, place) for one in systems}
        blocks.append(Heading(f"Cold ratio {ratio:g}", 3))
        for found in rating_slices(report.scenario, store, ratio, systems, _METRIC):
            blocks += slice_blocks(found, kinds, place)
    return tuple(blocks)


def _experiment(scenario: Scenario, store: Store, name: str, table: pa.Table) -> list[Block]:
    chosen = rating_experiment(name)
    costs: list[Block] = []
    if name in FEATURE_EXPERIMENTS:
        costs = source_blocks(load_source_costs(f"experiments/{scenario.name}/{name}", store))
    return [
        *lowered(experiment_summary(chosen, table)),
        experiment_charts(table, _METRIC, _place_of, chosen.axis, from_zero=False),
        *lowered(costs),
        Fold(f"All figures: {chosen.title}", tuple(lowered(experiment_figures(table)))),
    ]


def _place_of(row: dict[str, Any]) -> str:
    return _place(row["cold_ratio"])


def _examples(report: RatingReport, board: Board, store: Store) -> tuple[Block, ...]:
    ratio = min(report.places)
    systems = _pair(report, board, ratio)
    return tuple(rating_example_blocks(report.scenario, store, ratio, systems))


def _training(curves: RatingCurves, left_out: list[str]) -> list[Part]:
    first = min((seed for *_, seed in curves), default=0)
    panels: dict[str, dict[str, Sequence[float]]] = {}
    for (system, stage, ratio, seed), errors in curves.items():
        if seed == first:
            runs = panels.setdefault(f"{shown(system)}: {stage}", {})
            runs[f"cold ratio {ratio:g}"] = errors
    told = (
        "Validation error by epoch, lower is better: a line for each cold ratio, smallest first,"
        f" of training seed {first}."
    )
    return training_part(panels, told, curves_grid(curves), left_out, shared=False)


def _method(report: RatingReport) -> tuple[Block, ...]:
    rows = report.leaderboard.to_pylist()
    differs = differs_blocks(report.scenario)
    return (
        Fold("Systems", (systems_grid(report.systems),)),
        Fold("Protocol", (Bullets(protocol(report.scenario, rows, rating_range(report))),)),
        *([Fold("What differs from the paper's setting", tuple(differs))] if differs else []),
        *note_blocks(report.background.notes),
    )
