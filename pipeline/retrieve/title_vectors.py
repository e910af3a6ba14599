"""Text vectors of the generated titles, in the space of `item_text`, for all who search or train
with them: later stages need no text encoder.
"""

import numpy as np
import pyarrow as pa

from pipeline.catalog import Scenario
from pipeline.extract.engine import Embed
from pipeline.extract.extraction import Extraction, embed
from pipeline.outcome import Outcome
from pipeline.store import Store


def build_title_vectors(scenario: Scenario, store: Store, extraction: Extraction) -> Outcome:
    """Write `title_vectors/<scenario>`, tensors in the row order of `generated_titles`:

    | tensor  | type and shape           |                                                    |
    |---------|--------------------------|----------------------------------------------------|
    | vectors | float32 [titles, width]  | of unit length, all users' titles joined           |
    | bounds  | int64 [users + 1]        | user i's are vectors[bounds[i] : bounds[i + 1]]    |
    | user    | int64 [users]            | `user` of the sequences table                      |
    | target  | int64 [users]            | position of the titles' domain in scenario.domains |
    | single  | bool [users]             | False: an overlap user of the recall probe         |
    """
    import torch

    columns = ["user", "part", "target_domain", "titles"]
    table = store.read_table(f"generated_titles/{scenario.name}", columns)
    titles = table["titles"].to_pylist()
    flat = [title for own in titles for title in own]
    vectors, usage = embed(extraction, Embed(model=scenario.text_model), flat)
    arrays = {
        "vectors": vectors,
        "bounds": np.cumsum([0, *map(len, titles)]),
        "user": table["user"].to_numpy().astype(np.int64),
        "target": _positions(table["target_domain"], scenario.domains),
        "single": np.array([part == "single" for part in table["part"].to_pylist()], dtype=bool),
    }
    artifact = store.write_tensors(
        f"title_vectors/{scenario.name}",
        {name: torch.from_numpy(array) for name, array in arrays.items()},
        {"model": scenario.text_model},
    )
    facts = {
        "users": len(titles),
        "users_without_titles": sum(not own for own in titles),
        "titles": len(flat),
        "width": vectors.shape[1],
    }
    return Outcome(artifact=artifact, facts=facts | usage.facts())


def _positions(names: pa.ChunkedArray, domains: tuple[str, ...]) -> np.ndarray:
    return np.array([domains.index(name) for name in names.to_pylist()], dtype=np.int64)
