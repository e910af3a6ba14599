"""Ratings that a trained system predicts for cold users, written down once and compared later.

Shapes: N ratings.
"""

import time
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from models.ratings import Pairs, RatingCounter, RatingModel, Ratings
from pipeline.catalog import Scenario
from pipeline.columns import RATING_PREDICTIONS
from pipeline.evaluate.cost import Scoring, machine, save_scoring
from pipeline.evaluate.ratings.comparable import cold_ratios, read_predicted
from pipeline.evaluate.ratings.errors import METRICS, seed_errors
from pipeline.outcome import Fact, Outcome
from pipeline.store import Store
from pipeline.train.ratings.cases import load_rating_cases
from pipeline.train.ratings.stored import StoredRatingRun
from pipeline.train.ratings.systems import load_rating_run, stored_rating_system

_AT_ONCE = 4096  # pairs


def predict_ratings(
    system: str, scenario: Scenario, store: Store, rating_range: tuple[float, float]
) -> Outcome:
    """Predict every cold rating with every seed; write `predictions/<scenario>/<system>`.

    Both parts, at every cold ratio of the scenario. Predictions are clamped to `rating_range`,
    lowest and highest rating of the target domain. What predicting costs lies beside the table,
    as JSON and outside its digest (pipeline/evaluate/cost.py). The facts tell validation figures
    alone, so that nobody tunes by what the UI shows of the test users.

    ValueError names system, cold ratio and user where a prediction is not finite.
    """
    key = f"predictions/{scenario.name}/{system}"
    stored = stored_rating_system(system, scenario)
    table = predictions_of(system, stored, scenario, store, rating_range)
    ratio, seed = stored.cold_ratios[-1], stored.seeds[-1]
    model = load_rating_run(stored, scenario, store, ratio, seed)
    scoring = measure_predicting(model, load_rating_cases(store, scenario, ratio).test)
    save_scoring(store, key, scoring)
    return Outcome(
        artifact=store.write_table(key, RATING_PREDICTIONS, table),
        facts={
            **_facts(table),
            "parameters": scoring.num_trained,
            "seconds to predict the last test ratings": round(scoring.seconds, 2),
        },
    )


def predictions_of(
    label: str,
    stored: StoredRatingRun,
    scenario: Scenario,
    store: Store,
    rating_range: tuple[float, float],
) -> pa.Table:
    """What any trained run predicts, schema RATING_PREDICTIONS, under `label` as its system.

    ValueError as `predict_ratings`.
    """
    tables = []
    for ratio in stored.cold_ratios:
        cases = load_rating_cases(store, scenario, ratio)
        for seed in stored.seeds:
            model = load_rating_run(stored, scenario, store, ratio, seed)
            for part, ratings in (("valid", cases.valid), ("test", cases.test)):
                predicted_N = predict_pairs(model, ratings.pairs)
                where = f"system {label!r}, seed {seed}, cold ratio {ratio:g}, part {part!r}"
                _check_finite(predicted_N, ratings, where)
                named = {"system": label, "train_seed": seed, "cold_ratio": ratio, "part": part}
                tables.append(_table(named, ratings, predicted_N.clamp(*rating_range)))
    return pa.concat_tables(tables)


def predict_pairs(model: RatingModel | RatingCounter, pairs: Pairs) -> Tensor:
    """Ratings [N] on the CPU, not clamped; the model is not trained by it."""
    with torch.no_grad():
        return torch.cat([model.predict(part).float().cpu() for part in _parts(pairs)])


def measure_predicting(model: RatingModel | RatingCounter, test: Ratings) -> Scoring:
    """Predict all of `test` once and see how long it takes.

    All parameters count as trained: every stage of a rating system trains some of them.
    """
    assert isinstance(model, nn.Module)
    started = time.perf_counter()
    predict_pairs(model, test.pairs)
    seconds = time.perf_counter() - started
    return Scoring(
        num_trained=sum(one.numel() for one in model.parameters()),
        num_stored=sum(one.numel() for one in model.state_dict().values()),
        seconds=seconds,
        num_users=len(test.user_N.unique()),
        machine=machine(),
    )


def _parts(pairs: Pairs) -> Iterator[Pairs]:
    for first in range(0, len(pairs.user_N), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        yield Pairs(pairs.user_N[rows], pairs.item_N[rows])


def _check_finite(predicted_N: Tensor, ratings: Ratings, where: str) -> None:
    broken_N = ~predicted_N.isfinite()
    if broken_N.any():
        n = int(broken_N.int().argmax())
        raise ValueError(
            f"{where}: the prediction for user {int(ratings.user_N[n])} and item"
            f" {int(ratings.item_N[n])} is {float(predicted_N[n])}; look for broken inputs and"
            " train again"
        )


def _table(named: Mapping[str, object], ratings: Ratings, predicted_N: Tensor) -> pa.Table:
    columns = {
        **{name: np.full(len(predicted_N), value) for name, value in named.items()},
        "user": ratings.user_N.numpy(),
        "item": ratings.item_N.numpy(),
        "rating": ratings.rating_N.numpy(),
        "predicted": predicted_N.numpy(),
    }
    return pa.table({name: pa.array(column) for name, column in columns.items()}).cast(
        RATING_PREDICTIONS
    )


def _facts(table: pa.Table) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for ratio in cold_ratios(table):
        for predicted in read_predicted(table, ratio, "valid"):
            for metric in METRICS:
                error = float(seed_errors(predicted, metric).mean())
                facts[f"cold ratio {ratio:g}: validation {metric}"] = round(error, 4)
    return facts
