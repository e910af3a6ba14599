"""LGCD's two stages on the little world, where no language model wrote anything."""

import logging
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
import torch

from pipeline.columns import PSEUDO_INTERACTIONS
from pipeline.train.cases import load_cold_cases
from pipeline.train.systems import load_system, pretrain_encoders, train_system
from pipeline.train.weights import load_report


def test_without_any_title_lgcd_learns_from_overlap_users_alone(
    world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    training = replace(
        world.scenario.training, seeds=(0,), max_epochs=1, transfer_steps=1, patience=1
    )
    one = world.with_scenario(training=training)
    vectors = torch.randn(25, 6, generator=torch.Generator().manual_seed(0))
    one.store.write_tensors("item_text/little", {"vectors": vectors})
    nothing = pa.Table.from_pylist([], schema=PSEUDO_INTERACTIONS)
    one.store.write_table("pseudo_interactions/little", PSEUDO_INTERACTIONS, nothing)

    pretrain_encoders(one.scenario, one.store)
    with caplog.at_level(logging.INFO, logger="pipeline.train.transfer_batches"):
        train_system("lgcd", one.scenario, one.store)

    assert "overlap users alone: there is no pseudo user" in caplog.text
    report = load_report(one.store, "weights/little/lgcd", 0)
    assert report and not any(name.startswith("pseudo_") for name in report.curve[0])
    scores = load_system("lgcd", one.scenario, one.store, 0).score(
        load_cold_cases(one.store, one.scenario, "test").query
    )
    assert scores.isfinite().sum() == 12 * len(scores)
