"""The little world with systems trained and ranked."""

from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipeline.columns import GENERATED_TITLES
from pipeline.evaluate.scores import score_system
from pipeline.train.systems import train_system
from tests.pipeline.transfer_world import prepare_transfer


def ranked(world: Any, systems: tuple[str, ...], **training: Any) -> Any:
    """The world with these systems trained, ranked, and no titles but for one user."""
    short = replace(world.scenario.training, max_epochs=1, transfer_steps=1, **training)
    world = world.with_scenario(training=short, systems=systems)
    rows = world.store.read_table("sequences/little").to_pylist()
    titles = [
        {"user": row["user"], "part": "single", "target_domain": "food", "titles": ["tea"]}
        | {"finished": True, "output_tokens": 3}
        for row in rows
        if row["part"] == "single"
    ][:1]
    table = pa.Table.from_pylist(titles, schema=GENERATED_TITLES)
    world.store.write_table("generated_titles/little", GENERATED_TITLES, table)
    if "lgcd" in systems:
        prepare_transfer(world)
    for system in systems:
        train_system(system, world.scenario, world.store)
        score_system(system, world.scenario, world.store)
    return world
