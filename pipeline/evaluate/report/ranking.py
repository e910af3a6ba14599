"""What the page tells of a scenario where items are ranked for cold users."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.catalog.system_names import shown
from pipeline.catalog.systems import OURS
from pipeline.evaluate.background import Curves
from pipeline.evaluate.comparable import read_rankings
from pipeline.evaluate.document import Block, Bullets, Fold, Heading, lowered
from pipeline.evaluate.experiment_report import (
    HOW_TO_READ,
    experiment_figures,
    experiment_summary,
)
from pipeline.evaluate.gather import gather_background
from pipeline.evaluate.leaderboard_report import (
    Report,
    cost_blocks,
    domain_blocks,
    note_blocks,
    published_blocks,
    quoted_blocks,
)
from pipeline.evaluate.leaderboard_tables import curves_grid, systems_grid
from pipeline.evaluate.protocol import protocol
from pipeline.evaluate.published import published_table
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
from pipeline.evaluate.report.examples import example_blocks
from pipeline.evaluate.report.markup import Part
from pipeline.evaluate.report.ranking_examples import has_offers, ranking_examples
from pipeline.evaluate.report.ranking_slices import ranking_slices
from pipeline.evaluate.report.slices import slice_blocks, slices_told
from pipeline.evaluate.report.told import Told
from pipeline.evaluate.tuning_report import tuning_blocks
from pipeline.store import Store
from pipeline.train.experiments.registry import experiment

_METRIC, _POOL, _CHOICE = "HR@10", "target", "NDCG@10"


def tell_ranking(scenario: Scenario, store: Store) -> Told:
    """ValueError names an artifact that is missing; experiments and recommendations may be."""
    ranks = pa.concat_tables(
        store.read_table(f"scores/{scenario.name}/{system}") for system in scenario.systems
    )
    test, valid = (ranks.filter(pc.equal(ranks["part"], part)) for part in ("test", "valid"))
    report = Report(
        scenario=scenario.name,
        leaderboard=store.read_table(f"leaderboard/{scenario.name}"),
        ranks=test,
        published=published_table(scenario.published),
        background=gather_background(scenario, store),
    )
    board = _board(report, valid)
    left_out: list[str] = []

    def tell_experiment(name: str, table: pa.Table) -> list[Block]:
        return _experiment(name, table, scenario)

    parts = [
        Part(anchor="leaderboard", title="Leaderboard", blocks=_leaderboard(report, board)),
        *_published(report, left_out),
        Part(anchor="slices", title="Slices", blocks=_slices(scenario, store, board, test)),
        *experiments_part(scenario, store, HOW_TO_READ, tell_experiment, left_out, tuning_blocks),
        *_examples(scenario, store, board, left_out),
        *_training(report.background.curves, left_out),
        Part(anchor="cost", title="Cost", blocks=tuple(cost_blocks(report.background.costs))),
        Part(anchor="method", title="Systems and protocol", blocks=_method(report)),
    ]
    return Told(
        lead=tuple(headline(board)),
        parts=tuple(parts),
        left_out=tuple(left_out),
        provenance=report.background.provenance,
    )


def _place(domain: str) -> str:
    return f"in {domain}"


def _ranked(scenario: Scenario, board: Board) -> list[str]:
    """The domains that have test users."""
    return [domain for domain in scenario.domains if _place(domain) in board.places]


def _board(report: Report, valid: pa.Table) -> Board:
    ours = tuple(system for system in report.systems if system in OURS)
    return Board(
        metric=_METRIC,
        lower_is_better=False,
        task="ranks the item that a cold user takes next with",
        places={
            _place(domain): {system: row[_METRIC] for system, row in rows.items()}
            for domain, rows in report.places.items()
        },
        ours=ours,
        chosen=_preferred(valid, report.domains, ours),
    )


def _preferred(valid: pa.Table, domains: Sequence[str], ours: tuple[str, ...]) -> str | None:
    """The one of ours with the highest mean NDCG@10 over domains, on validation users."""
    scores: dict[str, float] = dict.fromkeys(ours, 0.0)
    for domain in domains:
        for ranking in read_rankings(valid, domain, _POOL):
            if ranking.system in scores:
                scores[ranking.system] += float(ranking.metric_SN(_CHOICE).mean())
    return max(scores, key=lambda system: scores[system]) if scores else None


def _leaderboard(report: Report, board: Board) -> tuple[Block, ...]:
    folds = [
        Fold(f"All figures of {domain}", tuple(lowered(domain_blocks(report, domain))))
        for domain in report.domains
    ]
    return (board_grid(board), *how_to_read(board), board_charts(board), LEGEND, *folds)


def _published(report: Report, left_out: list[str]) -> list[Part]:
    if report.published is None:
        left_out.append("Published figures: the scenario names no published table.")
        return []
    blocks: list[Block] = []
    for domain in report.domains:
        found = quoted_blocks(report, domain)
        if found:
            blocks.append(Fold(f"Published figures of {domain} beside ours", tuple(found[1:])))
    blocks += [
        replace(block, level=3) if isinstance(block, Heading) else block
        for block in published_blocks(report)
    ]
    return [Part(anchor="published", title="Published figures", blocks=tuple(blocks))]


def _slices(scenario: Scenario, store: Store, board: Board, test: pa.Table) -> tuple[Block, ...]:
    blocks: list[Block] = [slices_told(_METRIC)]
    for domain in _ranked(scenario, board):
        place = _place(domain)
        rankings = {one.system: one for one in read_rankings(test, domain, _POOL)}
        chosen = [rankings[system] for system in board.pair(place)]
        kinds = {one.system: board.kind(one.system, place) for one in chosen}
        blocks.append(Heading(f"Target domain: {domain}", 3))
        for found in ranking_slices(scenario, store, chosen, _METRIC):
            blocks += slice_blocks(found, kinds, place)
    return tuple(blocks)


def _experiment(name: str, table: pa.Table, scenario: Scenario) -> list[Block]:
    chosen = experiment(name)
    figures = lowered(experiment_figures(chosen, table, scenario))
    return [
        *lowered(experiment_summary(chosen, table)),
        experiment_charts(table, _CHOICE, _place_of, chosen.axis, from_zero=True),
        Fold(f"All figures: {chosen.title}", tuple(figures)),
    ]


def _place_of(row: dict[str, Any]) -> str:
    return _place(row["target_domain"])


def _examples(scenario: Scenario, store: Store, board: Board, left_out: list[str]) -> list[Part]:
    systems = {name for place in board.places for name in board.pair(place)}
    missing = [name for name in sorted(systems) if not has_offers(name, scenario, store)]
    if missing:
        names = ", ".join(map(shown, missing))
        left_out.append(f"Examples of recommendations: there are none of {names} yet.")
        return []
    pairs = {domain: board.pair(_place(domain)) for domain in _ranked(scenario, board)}
    blocks = example_blocks(ranking_examples(scenario, store, pairs), board.looked_at)
    return [Part(anchor="examples", title="Examples", blocks=tuple(blocks))]


def _training(curves: Curves, left_out: list[str]) -> list[Part]:
    panels: dict[str, dict[str, list[float]]] = {}
    for (system, seed), scores in sorted(curves.items()):
        panels.setdefault(shown(system), {})[f"seed {seed}"] = scores
    told = "Score on validation users by epoch: a line for each training seed."
    return training_part(panels, told, curves_grid(curves), left_out, shared=True)


def _method(report: Report) -> tuple[Block, ...]:
    return (
        Fold("Systems", (systems_grid(report.systems),)),
        Fold("Protocol", (Bullets(protocol(report.leaderboard, report.ranks)),)),
        *note_blocks(report.background.notes),
    )
