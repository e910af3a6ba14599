"""What LGCD and LLMCDSR are trained from, on the little world: text vectors, pseudo users, titles,
encoders."""

from typing import Any

import pyarrow as pa
import torch

from pipeline.columns import PSEUDO_INTERACTIONS
from pipeline.train.systems import pretrain_encoders

_WIDTH = 8


def prepare_transfer(world: Any) -> None:
    """Random unit vectors; every single-domain user gets four items of the other domain, and the
    first and the last of them two titles each."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(25, _WIDTH, generator=generator), dim=1)
    vectors[0] = 0
    world.store.write_tensors("item_text/little", {"vectors": vectors}, {})
    rows = []
    for row in world.store.read_table("sequences/little").to_pylist():
        if row["part"] == "single":
            target = 1 - int(row["items"][0] > 12)  # items 1..12 are of the first domain
            items = [1 + 12 * target + (row["user"] + k) % 12 for k in range(4)]
            rows.append(
                {
                    "user": row["user"],
                    "part": "single",
                    "target_domain": world.scenario.domains[target],
                    "items": items,
                    "scores": [0.9, 0.8, 0.7, 0.6],
                }
            )
    table = pa.Table.from_pylist(rows, schema=PSEUDO_INTERACTIONS)
    world.store.write_table("pseudo_interactions/little", PSEUDO_INTERACTIONS, table)
    world.store.write_tensors("title_vectors/little", _titles(world, rows, vectors[1:5]))
    pretrain_encoders(world.scenario, world.store)


def _titles(world: Any, rows: list[dict[str, Any]], vectors: torch.Tensor) -> dict[str, Any]:
    titled = rows[0], rows[-1]
    return {
        "vectors": vectors,
        "bounds": torch.tensor([0, 2, 4]),
        "user": torch.tensor([row["user"] for row in titled]),
        "target": torch.tensor([world.scenario.domains.index(r["target_domain"]) for r in titled]),
        "single": torch.tensor([True, True]),
    }
