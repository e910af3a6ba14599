"""An experiment carried out on the little world, and the figures that it leaves."""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.catalog.systems import EXPERIMENTS
from pipeline.columns import EXPERIMENT
from pipeline.evaluate.experiment import Cost, compare_variants, run_experiment
from pipeline.evaluate.ranking import METRICS
from pipeline.evaluate.scores import score_system
from pipeline.train.experiments import registry
from pipeline.train.experiments.definition import Experiment, Variant
from pipeline.train.presets.runs import SequentialRun
from pipeline.train.systems import StoredRun, train_system
from tests.pipeline.evaluate.conftest import MakeRanks
from tests.pipeline.transfer_world import prepare_transfer


def lengths(run: SequentialRun, scenario: Any) -> dict[str, Any]:
    return {"LGCD": run, "3": replace(run, max_length=3)}


LENGTHS = Experiment(name="lengths", title="Lengths", variants=lengths, axis="length")


@pytest.fixture
def sasrec_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment that is added as any other: an entry in each of the two tables."""
    monkeypatch.setitem(EXPERIMENTS, "lengths", "sasrec")
    monkeypatch.setitem(registry._EXPERIMENTS, "lengths", LENGTHS)


@pytest.fixture
def trained(world: Any, sasrec_lengths: None) -> Any:
    """SASRec for two seeds of one epoch, as the leaderboard has it."""
    one = world.with_scenario(training=replace(world.scenario.training, max_epochs=1))
    train_system("sasrec", one.scenario, one.store)
    return one


def rows_of(table: pa.Table, **wanted: Any) -> list[dict[str, Any]]:
    return [row for row in table.to_pylist() if wanted.items() <= row.items()]


def test_an_experiment_is_trained_ranked_and_written_once(trained: Any) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    outcome = run_experiment(
        "lengths",
        trained.scenario,
        trained.store,
        lambda headline, figures: told.append((headline, dict(figures))),
    )
    progress = [figures for headline, figures in told if headline == "progress"]
    assert {(one["variant"], one["seed"]) for one in progress} == {
        ("3 (2 of 2)", "1 of 2"),
        ("3 (2 of 2)", "2 of 2"),
    }
    # The reference takes the system's own weights; two seeds of the other are trained.
    assert (outcome.facts["runs trained"], outcome.facts["runs kept"]) == (2, 2)
    table = trained.store.read_table("experiments/little/lengths")
    assert table.schema.equals(EXPERIMENT)
    parts_and_domains = {(row["part"], row["target_domain"]) for row in table.to_pylist()}
    assert table.num_rows == 2 * len(parts_and_domains) * len(METRICS)
    assert {part for part, _ in parts_and_domains} == {"valid", "test"}
    assert pc.unique(table["variant"]).to_pylist() == ["LGCD", "3"]
    assert set(table["num_seeds"].to_pylist()) == {2}
    assert all(row["train_seconds"] > 0 for row in table.to_pylist())
    again = run_experiment("lengths", trained.scenario, trained.store)
    assert (again.facts["runs trained"], again.facts["runs kept"]) == (0, 4)
    assert again.artifact.digest == outcome.artifact.digest


def test_the_references_figures_are_those_of_the_leaderboard(trained: Any) -> None:
    score_system("sasrec", trained.scenario, trained.store)
    run_experiment("lengths", trained.scenario, trained.store)
    ranks = trained.store.read_table("scores/little/sasrec").to_pylist()
    hits: dict[tuple[str, str], list[bool]] = {}
    for row in ranks:
        if row["pool"] == "target":
            hits.setdefault((row["part"], row["target_domain"]), []).append(row["rank"] <= 5)
    found = rows_of(
        trained.store.read_table("experiments/little/lengths"), variant="LGCD", metric="HR@5"
    )
    assert {(row["part"], row["target_domain"]): row["mean"] for row in found} == pytest.approx(
        {place: sum(own) / len(own) for place, own in hits.items()}
    )


def test_lgcds_targets_run_from_its_stored_encoders(world: Any) -> None:
    training = replace(
        world.scenario.training, seeds=(0,), max_epochs=1, patience=1, transfer_steps=1
    )
    one = world.with_scenario(training=training)
    prepare_transfer(one)
    outcome = run_experiment("lgcd_targets", one.scenario, one.store)
    assert outcome.facts["variants"] == 3
    table = one.store.read_table("experiments/little/lgcd_targets")
    assert {row["variant"] for row in rows_of(table, reference=True)} == {"x0"}
    for row in rows_of(table, reference=True):
        assert (row["delta"], row["p_value"], row["seed_std"]) == (None, None, None)
    for variant in ("noise, MSE", "noise, KL"):
        assert all(0 < row["p_value"] <= 1 for row in rows_of(table, variant=variant))


def variant(label: str, *, reference: bool = False) -> Variant:
    stored = StoredRun(run=None, inputs=(), folder="weights/x/y", seeds=(0,))
    return Variant(label=label, reference=reference, stored=stored)


def compared(make_ranks: MakeRanks, ranks: dict[str, list], labels: tuple[str, ...]) -> pa.Table:
    tables = [make_ranks(ranks, part=part, pools=("target",)) for part in ("valid", "test")]
    variants = tuple(variant(label, reference=label == "base") for label in labels)
    costs = {label: Cost(train_seconds=1.5, num_parameters=7) for label in labels}
    return compare_variants(LENGTHS, variants, pa.concat_tables(tables), costs)


def test_means_differences_and_spread_are_those_computed_by_hand(make_ranks: MakeRanks) -> None:
    # [training seed][candidate seed][user]: the base hits 1 of 4, then 3 of 4; the other all.
    ranks = {
        "base": [[[1, 90, 90, 90]], [[1, 2, 3, 90]]],
        "other": [[[1, 1, 1, 1]], [[1, 1, 1, 1]]],
    }
    table = compared(make_ranks, ranks, ("base", "other"))
    (base,) = rows_of(table, variant="base", part="valid", metric="HR@5")
    assert (base["mean"], base["seed_std"]) == pytest.approx((0.5, 0.125**0.5))
    (other,) = rows_of(table, variant="other", part="valid", metric="HR@5")
    assert (other["mean"], other["delta"], other["seed_std"]) == (1.0, 0.5, 0.0)
    assert (other["low"], other["high"]) == (1.0, 1.0)
    assert (other["num_users"], other["num_seeds"]) == (4, 2)
    assert (other["train_seconds"], other["num_parameters"]) == (1.5, 7)


def test_a_clear_difference_is_significant_and_none_is_not(make_ranks: MakeRanks) -> None:
    users = 60
    ranks = {
        "base": [1] * (users // 2) + [90] * (users // 2),
        "same": [90] * (users // 2) + [1] * (users // 2),
        "worse": [90] * users,
    }
    table = compared(make_ranks, ranks, ("worse", "base", "same"))
    assert pc.unique(table["variant"]).to_pylist() == ["worse", "base", "same"]
    for part in ("valid", "test"):
        (worse,) = rows_of(table, variant="worse", part=part, metric="NDCG@10")
        assert worse["delta"] == -0.5 and worse["p_value"] < 0.001
        (same,) = rows_of(table, variant="same", part=part, metric="NDCG@10")
        assert same["delta"] == 0 and same["p_value"] == 1


def test_variants_of_different_users_are_refused(make_ranks: MakeRanks) -> None:
    tables = [
        make_ranks({"base": [1, 2]}, part="valid"),
        make_ranks({"other": [1, 2]}, part="valid", first_user=1),
    ]
    variants = (variant("base", reference=True), variant("other"))
    costs = {one.label: Cost(train_seconds=None, num_parameters=0) for one in variants}
    with pytest.raises(ValueError, match="have different users"):
        compare_variants(LENGTHS, variants, pa.concat_tables(tables), costs)
