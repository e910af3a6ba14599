"""Frozen features of items and users, joined to the scenario's numbers and standardised.

A standardised dimension has zero mean and unit variance over the rows that train: LLM states have
a few dimensions far larger than all others (MuSiC 3.3 leaves the input's scale open). Items of
both domains are standardised together, since one network may read both; users by domain.

Shapes: V items + 1, U users, S = 2 domains, E width of item features, F of user features, R rows
of one table.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models.ratings import TARGET, Features
from pipeline.catalog import Scenario
from pipeline.columns import RATING_ROLES
from pipeline.outcome import Fact
from pipeline.store import Store
from pipeline.train.ratings.cases import RatingCases

_READ_RATINGS = ["user", "user_id"]
_READ_VOCABULARY = ["item", "domain", "item_id"]
_READ_ITEMS = ["item_id", "vector", "has_text", "images"]
_READ_USERS = ["user_id", "vector", "reviews"]


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Rows of one table that are wanted, in any order."""

    key: str
    number_R: np.ndarray  # int64: an item's or a user's number
    vector_RE: np.ndarray  # float32


def load_features(
    store: Store, scenario: Scenario, cases: RatingCases, domains: tuple[str, ...] | None = None
) -> Features:
    """The features of every item and user of the scenario.

    `domains`, the auxiliary one first, are those whose tables are read, if others than the
    scenario's own: of the same items and users, by other models.

    An item has none without a row, or with neither text nor image; a user without a row, or
    without reviews with text. Target-side rows of cold users are left out before their vectors
    are looked at. `rated_SUE` is the mean over the items that a user rated in training, of those
    that have features.

    ValueError where a vector is not finite, the two domains' widths differ, or no row that
    trains has features.
    """
    read = domains or scenario.domains
    item_VE, has_item_V = _item_features(store, scenario, cases, read)
    user_SUF, has_user_SU = _user_features(store, scenario, cases, read)
    rated_SUE, has_rated_SU = rated_features(item_VE, has_item_V, cases)
    return Features(item_VE, has_item_V, user_SUF, has_user_SU, rated_SUE, has_rated_SU)


def feature_facts(features: Features, cases: RatingCases, scenario: Scenario) -> dict[str, Fact]:
    """Who lacks features: items by domain, users by domain and role, and of these users how many
    fall back on what they rated."""
    facts: dict[str, Fact] = {}
    for side, domain in enumerate(scenario.domains):
        lacking_V = ~features.has_item_V[cases.space.columns(side)]
        facts[f"{domain}: items without features"] = int(lacking_V.sum())
        for place, role in enumerate(RATING_ROLES):
            has_side = role == "overlap" or (role == "side") == (side == TARGET)
            if not has_side or (role == "cold" and side == TARGET):
                continue
            own_U = torch.from_numpy(cases.role_U == place)
            silent_U = own_U & ~features.has_user_SU[side]
            fallback_U = silent_U & features.has_rated_SU[side]
            facts[f"{domain}: {role} users without text"] = int(silent_U.sum())
            facts[f"{domain}: {role} users known by their items"] = int(fallback_U.sum())
    return facts


def _item_features(
    store: Store, scenario: Scenario, cases: RatingCases, read: tuple[str, ...]
) -> tuple[Tensor, Tensor]:
    vocabulary = store.read_table(f"vocabulary/{scenario.name}", _READ_VOCABULARY)
    tables = []
    for domain, source in zip(scenario.domains, read, strict=True):
        own = vocabulary.filter(pc.equal(vocabulary["domain"], domain))
        tables.append(_item_rows(store, source, own))
    width = _common_width(tables, "item_model", scenario)
    item_VE = np.zeros((cases.space.num_items + 1, width), dtype=np.float32)
    has_V = np.zeros(len(item_VE), dtype=bool)
    for rows in tables:
        item_VE[rows.number_R], has_V[rows.number_R] = rows.vector_RE, True
    trains_V = np.zeros(len(item_VE), dtype=bool)
    trains_V[cases.train.item_N.numpy()] = True
    standardise(item_VE, has_V, trains_V & has_V, f"item of scenario {scenario.name!r}")
    return torch.from_numpy(item_VE), torch.from_numpy(has_V)


def _user_features(
    store: Store, scenario: Scenario, cases: RatingCases, read: tuple[str, ...]
) -> tuple[Tensor, Tensor]:
    numbers = _user_numbers(store, scenario)
    cold_U = cases.is_cold()
    tables = [
        _user_rows(store, domain, numbers, cold_U if side == TARGET else np.zeros_like(cold_U))
        for side, domain in enumerate(read)
    ]
    width = _common_width(tables, "user_model", scenario)
    user_SUF = np.zeros((len(tables), cases.num_users, width), dtype=np.float32)
    has_SU = np.zeros(user_SUF.shape[:2], dtype=bool)
    for side, rows in enumerate(tables):
        user_SUF[side, rows.number_R], has_SU[side, rows.number_R] = rows.vector_RE, True
        own_N = cases.space.contains(side, cases.train.item_N)
        trains_U = np.zeros(cases.num_users, dtype=bool)
        trains_U[cases.train.user_N[own_N].numpy()] = True
        where = f"user of domain {scenario.domains[side]!r}"
        standardise(user_SUF[side], has_SU[side], trains_U & has_SU[side], where)
    return torch.from_numpy(user_SUF), torch.from_numpy(has_SU)


def _item_rows(store: Store, domain: str, vocabulary: pa.Table) -> _Rows:
    key = f"item_multimodal/{domain}"

    def wanted() -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        for batch in store.read_batches(key, _READ_ITEMS):
            shown = pc.or_(batch.column("has_text"), pc.greater(batch.column("images"), 0))
            batch = batch.filter(shown)
            place = pc.index_in(batch.column("item_id"), vocabulary["item_id"])
            batch, place = batch.filter(place.is_valid()), place.drop_null()
            yield vocabulary["item"].to_numpy()[place.to_numpy()], batch

    return _rows(key, wanted())


def _user_rows(store: Store, domain: str, numbers: pa.Table, hidden_U: np.ndarray) -> _Rows:
    key = f"review_features/{domain}"

    def wanted() -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        for batch in store.read_batches(key, _READ_USERS):
            batch = batch.filter(pc.greater(batch.column("reviews"), 0))
            place = pc.index_in(batch.column("user_id"), numbers["user_id"])
            batch, place = batch.filter(place.is_valid()), place.drop_null()
            number_R = numbers["user"].to_numpy()[place.to_numpy()]
            seen_R = ~hidden_U[number_R]
            yield number_R[seen_R], batch.filter(pa.array(seen_R))

    return _rows(key, wanted())


def _rows(key: str, wanted: Iterator[tuple[np.ndarray, pa.RecordBatch]]) -> _Rows:
    numbers, vectors = [], []
    for number_R, batch in wanted:
        column = batch.column("vector")
        vector_RE = column.flatten().to_numpy().reshape(-1, column.type.list_size)
        broken_R = ~np.isfinite(vector_RE).all(axis=1)
        if broken_R.any():
            name = batch.column(0)[int(broken_R.argmax())].as_py()
            raise ValueError(
                f"{key}: the vector of {name!r} is not finite: delete the table and materialize "
                "it again"
            )
        numbers.append(number_R.astype(np.int64))
        vectors.append(vector_RE.astype(np.float32))
    return _Rows(key=key, number_R=np.concatenate(numbers), vector_RE=np.concatenate(vectors))


def _user_numbers(store: Store, scenario: Scenario) -> pa.Table:
    """user and user_id, once for each user."""
    batches = store.read_batches(f"ratings/{scenario.name}", _READ_RATINGS)
    seen = [
        pa.Table.from_batches([batch]).group_by(_READ_RATINGS).aggregate([]) for batch in batches
    ]
    return pa.concat_tables(seen).group_by(_READ_RATINGS).aggregate([]).combine_chunks()


def _common_width(tables: list[_Rows], setting: str, scenario: Scenario) -> int:
    widths = [rows.vector_RE.shape[1] for rows in tables]
    if len(set(widths)) > 1:
        named = " and ".join(
            f"{width} dimensions in {rows.key}" for width, rows in zip(widths, tables, strict=True)
        )
        raise ValueError(
            f"scenario {scenario.name!r}: {named}; one network reads both. Give both domains the "
            f"same features.{setting} in the catalog and materialize them again"
        )
    return widths[0]


def standardise(vector_RE: np.ndarray, has_R: np.ndarray, trains_R: np.ndarray, what: str) -> None:
    """In place, by the rows that train; dimensions that are constant over them become zero."""
    if not trains_R.any():
        raise ValueError(
            f"no training {what} has features: lower min_item_reviews or min_user_reviews of the "
            "domain's features in the catalog and materialize them again"
        )
    train_RE = vector_RE[trains_R]
    mean_E = train_RE.mean(axis=0, dtype=np.float64)
    std_E = train_RE.std(axis=0, dtype=np.float64)
    varies_E = train_RE.min(axis=0) < train_RE.max(axis=0)
    scale_E = np.where(varies_E, 1 / np.where(varies_E, std_E, 1), 0)
    vector_RE[has_R] = (vector_RE[has_R] - mean_E) * scale_E


def rated_features(
    item_VE: Tensor, has_item_V: Tensor, cases: RatingCases
) -> tuple[Tensor, Tensor]:
    """Mean features by domain and user: [S, U, E], and whether there is any: [S, U]."""
    shape = (2, cases.num_users)
    user_N, item_N, _ = cases.train
    row_N = user_N + cases.num_users * cases.space.contains(TARGET, item_N).long()
    shown_N = has_item_V[item_N]
    row_N, item_N = row_N[shown_N], item_N[shown_N]
    count_R = torch.bincount(row_N, minlength=shape[0] * shape[1])
    # A sparse product holds no row of features for each rating.
    share_RV = torch.sparse_coo_tensor(
        torch.stack([row_N, item_N]),
        1 / count_R[row_N],
        (len(count_R), len(item_VE)),
        check_invariants=True,
    )
    return (share_RV @ item_VE).view(*shape, -1), (count_R > 0).view(shape)
