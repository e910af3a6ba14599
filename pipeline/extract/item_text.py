"""Frozen text vectors of a scenario's items."""

import numpy as np

from pipeline.catalog import Scenario
from pipeline.extract.engine import Embed
from pipeline.extract.extraction import Extraction, embed
from pipeline.outcome import Outcome
from pipeline.store import Store


def build_item_text(scenario: Scenario, store: Store, extraction: Extraction) -> Outcome:
    """Write `item_text/<scenario>`: tensor `vectors` [num_items + 1, width], row 0 is padding.

    Texts are title, category and brand; see pipeline/prepare/vocabulary.py.
    """
    import torch

    texts = store.read_table(f"vocabulary/{scenario.name}", ["item", "text"])
    assert texts["item"].to_pylist() == list(range(1, texts.num_rows + 1))
    task = Embed(model=scenario.text_model)
    vectors, usage = embed(extraction, task, texts["text"].to_pylist())
    with_padding = np.concatenate([np.zeros_like(vectors[:1]), vectors])
    artifact = store.write_tensors(
        f"item_text/{scenario.name}",
        {"vectors": torch.from_numpy(with_padding)},
        {"model": scenario.text_model, "pooling": "as the model's configuration"},
    )
    facts = {"items": len(vectors), "width": vectors.shape[1]}
    return Outcome(artifact=artifact, facts=facts | usage.facts())
