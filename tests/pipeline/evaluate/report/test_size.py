"""The page of the largest scenario can still be mailed."""

from typing import Any

import pyarrow as pa

from pipeline.catalog.systems import OURS, SYSTEMS
from pipeline.evaluate.document import Block, Fold
from pipeline.evaluate.leaderboard import build_leaderboard
from pipeline.evaluate.leaderboard_report import (
    Report,
    domain_blocks,
    published_blocks,
    quoted_blocks,
)
from pipeline.evaluate.leaderboard_tables import curves_grid
from pipeline.evaluate.published import published_table
from pipeline.evaluate.report.ablations import experiment_charts
from pipeline.evaluate.report.board import Board, board_charts, board_grid
from pipeline.evaluate.report.curves import training_part
from pipeline.evaluate.report.markup import Part, to_page
from pipeline.evaluate.significance import Bootstrap
from tests.pipeline.evaluate.experiment_tables import table

SEEDS, EPOCHS, VARIANTS = 5, 20, 22


def test_all_systems_five_seeds_and_22_variants_take_less_than_a_megabyte(make_ranks: Any) -> None:
    ranked = {system: [[[1.0, 20.0]]] * SEEDS for system in SYSTEMS}
    test, valid = (
        pa.concat_tables(
            make_ranks(ranked, part=part, domain=domain, first_user=9 * (domain == "kitchen"))
            for domain in ("food", "kitchen")
        )
        for part in ("test", "valid")
    )
    published = published_table("lgcd-food-kitchen")
    rows = build_leaderboard(test, valid, published=published, bootstrap=Bootstrap(resamples=10))
    report = Report(scenario="large", leaderboard=rows, ranks=test, published=published)
    board = Board(
        metric="HR@10",
        lower_is_better=False,
        task="ranks with",
        places={d: {s: row["HR@10"] for s, row in r.items()} for d, r in report.places.items()},
        ours=OURS,
        chosen=OURS[0],
    )
    runs = {(system, seed): [0.1] * EPOCHS for system in SYSTEMS for seed in range(SEEDS)}
    panels = {system: {f"seed {n}": [0.1] * EPOCHS for n in range(SEEDS)} for system in SYSTEMS}
    variants = table("lgcd_ablations", {f"variant {n}": 0.3 for n in range(VARIANTS)}, "variant 0")
    blocks: list[Block] = [board_grid(board), board_charts(board), *published_blocks(report)]
    for domain in report.domains:
        blocks += [Fold(domain, tuple(domain_blocks(report, domain)))]
        blocks += quoted_blocks(report, domain)
    blocks.append(
        experiment_charts(variants, "HR@10", lambda r: r["target_domain"], from_zero=True)
    )
    training = training_part(panels, "", curves_grid(runs), [], shared=True)
    parts = [Part(anchor="all", title="All", blocks=tuple(blocks)), *training]
    page = to_page("large", [], "", parts)
    assert page.count("<svg") == 2 + 4 + len(SYSTEMS)
    assert 100_000 < len(page.encode()) < 1_000_000
