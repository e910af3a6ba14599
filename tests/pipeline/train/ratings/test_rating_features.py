"""Frozen features joined to items and users: standardised over who trains, nothing hidden read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from models.ratings import Features
from pipeline.columns import RATING_ROLES, item_feature_schema
from pipeline.store import Store
from pipeline.train.ratings.cases import RatingCases, load_rating_cases
from pipeline.train.ratings.features import feature_facts, load_features
from tests.pipeline.rating_world import (
    DOMAINS,
    ITEM_WIDTH,
    ITEMS_WITHOUT_ANYTHING,
    ITEMS_WITHOUT_ROW,
    NUM_ITEMS,
    SILENT_USERS,
    RatingWorld,
    make_rating_world,
    user_name,
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> RatingWorld:
    return make_rating_world(tmp_path_factory.mktemp("songs"))


@pytest.fixture
def world(prepared: RatingWorld, tmp_path: Path) -> RatingWorld:
    return prepared.copied(tmp_path)


def cases_of(world: RatingWorld, cold_items: float = 0.0) -> RatingCases:
    split = replace(world.scenario.split, cold_items=cold_items)
    return load_rating_cases(world.store, replace(world.scenario, split=split), 0.2)


def features_of(world: RatingWorld) -> Features:
    return load_features(world.store, world.scenario, cases_of(world))


def numbers_of(world: RatingWorld) -> dict[str, int]:
    table = world.store.read_table("ratings/songs", ["user_id", "user"])
    return {row["user_id"]: row["user"] for row in table.to_pylist()}


def change_vectors(store: Store, key: str, name: str, changes: dict[str, np.ndarray]) -> None:
    table = store.read_table(key)
    rows = table.to_pylist()
    for row in rows:
        row["vector"] = changes.get(row[name], row["vector"])
    store.write_table(key, table.schema, pa.Table.from_pylist(rows, schema=table.schema))


def test_target_sides_of_validation_and_test_users_are_never_read(world: RatingWorld) -> None:
    """Their vectors are NaN: read and written over is not enough, the check on NaN would raise."""
    before, cases, numbers = features_of(world), cases_of(world), numbers_of(world)
    cold = [name for name, number in numbers.items() if cases.is_cold()[number]]
    hidden = {name: np.full(10, np.nan, dtype=np.float32) for name in cold}
    change_vectors(world.store, "review_features/soul", "user_id", hidden)
    after = features_of(world)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other)
    rows = [numbers[name] for name in cold]
    assert len(rows) == 11 and not after.has_user_SU[1, rows].any()
    assert (after.user_SUF[1, rows] == 0).all()
    assert (after.rated_SUE[1, rows] == 0).all() and not after.has_rated_SU[1, rows].any()
    written = [numbers[name] for name in cold if int(name[-2:]) not in SILENT_USERS]
    assert after.has_user_SU[0, written].all() and after.has_rated_SU[0, rows].all()


def test_a_vector_that_is_not_finite_is_named(world: RatingWorld) -> None:
    broken = {"rock-03": np.full(ITEM_WIDTH, np.inf, dtype=np.float32)}
    change_vectors(world.store, "item_multimodal/rock", "item_id", broken)
    with pytest.raises(ValueError, match=r"item_multimodal/rock: the vector of 'rock-03' is not"):
        features_of(world)


def test_each_dimension_has_zero_mean_and_unit_variance_over_who_trains(
    world: RatingWorld,
) -> None:
    cases, features = cases_of(world), features_of(world)
    trains_V = torch.zeros(2 * NUM_ITEMS + 1, dtype=torch.bool)
    trains_V[cases.train.item_N] = True
    own = [features.item_VE[trains_V & features.has_item_V]]
    for side in (0, 1):
        in_domain = cases.space.contains(side, cases.train.item_N)
        users = cases.train.user_N[in_domain].unique()
        own.append(features.user_SUF[side, users[features.has_user_SU[side, users]]])
    for rows in own:
        assert len(rows) > 20
        assert rows.mean(dim=0).abs().max() < 1e-5
        assert (rows.var(dim=0, unbiased=False) - 1).abs().max() < 1e-4


def test_an_items_features_are_its_own_rows_up_to_one_scale(world: RatingWorld) -> None:
    features = features_of(world)
    vocabulary = world.store.read_table("vocabulary/songs").to_pylist()
    number = {row["item_id"]: row["item"] for row in vocabulary}
    rows = [
        row
        for domain in DOMAINS
        for row in world.store.read_table(f"item_multimodal/{domain}").to_pylist()
        if row["has_text"]
    ]
    found = features.item_VE[[number[row["item_id"]] for row in rows]]
    assert_scaled(found, [row["vector"] for row in rows])


def test_a_users_features_are_their_own_row_up_to_one_scale(world: RatingWorld) -> None:
    features, numbers, cases = features_of(world), numbers_of(world), cases_of(world)
    for side, domain in enumerate(DOMAINS):
        rows = world.store.read_table(f"review_features/{domain}").to_pylist()
        if side == 1:
            rows = [row for row in rows if not cases.is_cold()[numbers[row["user_id"]]]]
        found = features.user_SUF[side, [numbers[row["user_id"]] for row in rows]]
        assert_scaled(found, [row["vector"] for row in rows])


def assert_scaled(found: torch.Tensor, raw: list[list[float]]) -> None:
    """That each dimension of `found` is that of `raw`, stretched and moved."""
    found_NE, raw_NE = found.numpy(), np.array(raw)
    slope_E = found_NE.std(axis=0) / raw_NE.std(axis=0)
    expected_NE = (raw_NE - raw_NE.mean(axis=0)) * slope_E + found_NE.mean(axis=0)
    assert np.allclose(found_NE, expected_NE, atol=1e-4)


def test_items_without_a_row_or_with_neither_text_nor_image_are_flagged_and_zero(
    world: RatingWorld,
) -> None:
    features = features_of(world)
    for row in world.store.read_table("vocabulary/songs").to_pylist():
        lacks = int(row["item_id"][-2:]) in ITEMS_WITHOUT_ROW + ITEMS_WITHOUT_ANYTHING
        assert features.has_item_V[row["item"]] != lacks
        assert (features.item_VE[row["item"]] == 0).all() == lacks
    assert not features.has_item_V[0] and (features.item_VE[0] == 0).all()


def test_an_image_without_text_is_enough(world: RatingWorld) -> None:
    table = world.store.read_table("item_multimodal/rock")
    place = table.schema.get_field_index("has_text")
    schema = item_feature_schema(table.schema.field("vector").type)
    mute = table.set_column(place, schema.field(place), pa.array([False] * table.num_rows))
    world.store.write_table("item_multimodal/rock", schema, mute)
    with_images = pc.sum(pc.greater(table["images"], 0)).as_py()
    assert int(features_of(world).has_item_V[1 : NUM_ITEMS + 1].sum()) == with_images > 0


def test_a_constant_dimension_becomes_zero(world: RatingWorld) -> None:
    for domain in DOMAINS:
        table = world.store.read_table(f"item_multimodal/{domain}").to_pylist()
        changed = {
            row["item_id"]: np.array([0.1, *row["vector"][1:]], dtype=np.float32) for row in table
        }
        change_vectors(world.store, f"item_multimodal/{domain}", "item_id", changed)
    features = features_of(world)
    assert (features.item_VE[:, 0] == 0).all()
    assert (features.item_VE[features.has_item_V][:, 1:] != 0).all()


def test_rated_features_are_the_mean_over_training_items_that_have_any(world: RatingWorld) -> None:
    cases, features = cases_of(world), features_of(world)
    for side in (0, 1):
        for user in range(60):
            own = cases.space.contains(side, cases.train.item_N) & (cases.train.user_N == user)
            items = cases.train.item_N[own]
            items = items[features.has_item_V[items]]
            assert bool(features.has_rated_SU[side, user]) == bool(len(items))
            if len(items):
                expected = features.item_VE[items].mean(dim=0)
                assert torch.allclose(features.rated_SUE[side, user], expected, atol=1e-5)
            else:
                assert (features.rated_SUE[side, user] == 0).all()


def test_items_that_lost_their_ratings_are_no_part_of_what_a_user_rated(
    world: RatingWorld,
) -> None:
    cases = cases_of(world, cold_items=0.3)
    dual = load_features(world.store, world.scenario, cases)
    assert not torch.equal(dual.rated_SUE[1], features_of(world).rated_SUE[1])
    users = torch.from_numpy(cases.training_users("target_users"))
    rated = dual.has_rated_SU[1].nonzero().squeeze(1)
    assert torch.isin(rated, users).all()


def test_domains_of_different_models_are_named_with_the_remedy(world: RatingWorld) -> None:
    table = world.store.read_table("item_multimodal/soul")
    rows = [{**row, "vector": row["vector"][:7]} for row in table.to_pylist()]
    schema = item_feature_schema(pa.list_(pa.float32(), 7))
    world.store.write_table("item_multimodal/soul", schema, pa.Table.from_pylist(rows, schema))
    with pytest.raises(
        ValueError,
        match=r"12 dimensions in item_multimodal/rock and 7 dimensions in item_multimodal/soul; "
        r".* the same features.item_model",
    ):
        features_of(world)


def test_features_of_nobody_who_trains_are_an_error(world: RatingWorld) -> None:
    table = world.store.read_table("review_features/soul")
    cases, numbers = cases_of(world), numbers_of(world)
    cold = [cases.is_cold()[numbers[name]] for name in table["user_id"].to_pylist()]
    world.store.write_table("review_features/soul", table.schema, table.filter(pa.array(cold)))
    with pytest.raises(ValueError, match="no training user of domain 'soul' has features"):
        features_of(world)


def test_half_precision_is_read_too(world: RatingWorld) -> None:
    exact = features_of(world)
    table = world.store.read_table("item_multimodal/rock")
    schema = item_feature_schema(pa.list_(pa.float16(), ITEM_WIDTH))
    rows = table.to_pylist()
    for row in rows:
        row["vector"] = np.array(row["vector"], dtype=np.float16)
    world.store.write_table("item_multimodal/rock", schema, pa.Table.from_pylist(rows, schema))
    assert torch.allclose(features_of(world).item_VE, exact.item_VE, atol=1e-2)


def test_facts_count_who_lacks_what(world: RatingWorld) -> None:
    cases, numbers = cases_of(world), numbers_of(world)
    facts = feature_facts(features_of(world), cases, world.scenario)
    assert facts["rock: items without features"] == facts["soul: items without features"] == 2
    roles = [RATING_ROLES[cases.role_U[numbers[user_name(user)]]] for user in SILENT_USERS]
    for role in set(RATING_ROLES) - {"side"}:
        assert facts[f"rock: {role} users without text"] == roles.count(role)
        assert facts[f"rock: {role} users known by their items"] == roles.count(role)
    assert facts["soul: side users without text"] == roles.count("side") == 1
    assert facts["soul: overlap users without text"] == roles.count("overlap")
    assert not {"soul: cold users without text", "rock: side users without text"} & set(facts)
