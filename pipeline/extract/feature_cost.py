"""What extracting a table of features took, for people who choose a model.

It lies beside the table as JSON and outside its digest: seconds differ from run to run.
"""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline.extract.local_models import LocalModel
from pipeline.store import Store


@dataclass(frozen=True, kw_only=True)
class FeatureCost:
    model: str  # as the catalog names it
    pooling: str
    width: int
    rows: int  # items or users with a vector
    tokens: int | None  # of all prompts; None: a sentence encoder does not tell
    computed: int  # prompts, or texts of a sentence encoder, that the cache did not know
    seconds: float  # computing them


def save_feature_cost(store: Store, key: str, cost: FeatureCost) -> None:
    """A run that found all in the cache keeps the seconds of the one before it."""
    if not cost.computed and store.exists(key, ".json"):
        earlier = load_feature_cost(store, key)
        if (earlier.model, earlier.pooling, earlier.rows) == (cost.model, cost.pooling, cost.rows):
            cost = replace(cost, computed=earlier.computed, seconds=earlier.seconds)
    store.write_text(key, ".json", json.dumps(asdict(cost), indent=1))


def load_feature_cost(store: Store, key: str) -> FeatureCost:
    """ValueError where the table was not made, or by an older version that counted nothing."""
    return FeatureCost(**json.loads(store.read_text(key, ".json")))


def num_parameters(model: LocalModel) -> int:
    """Numbers in the model's safetensors, by their headers."""
    return sum(_numbers_in(path) for path in Path(model.path).rglob("*.safetensors"))


def _numbers_in(path: Path) -> int:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__"
    )
