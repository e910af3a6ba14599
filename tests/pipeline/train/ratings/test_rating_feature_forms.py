"""What runs make of features: texts left out, ids instead, auxiliary sides dealt out anew."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.ratings import AUXILIARY, TARGET, Features, Ratings
from pipeline.columns import RATING_ROLES
from pipeline.train.ratings.cases import RatingCases, load_rating_cases
from pipeline.train.ratings.experiments import music_ablations, music_features
from pipeline.train.ratings.feature_forms import dealt_out, in_form
from pipeline.train.ratings.features import load_features
from pipeline.train.ratings.presets import music
from tests.pipeline.rating_world import DOMAINS, RatingWorld, make_rating_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> RatingWorld:
    return make_rating_world(tmp_path_factory.mktemp("songs"))


@pytest.fixture(scope="module")
def cases(world: RatingWorld) -> RatingCases:
    return load_rating_cases(world.store, world.scenario, 0.2)


@pytest.fixture(scope="module")
def features(world: RatingWorld, cases: RatingCases) -> Features:
    return load_features(world.store, world.scenario, cases)


def test_extracted_features_are_left_as_they_are(features: Features, cases: RatingCases) -> None:
    assert in_form("extracted", features, cases, 0) is features


def test_without_texts_users_are_known_by_what_they_rated(
    features: Features, cases: RatingCases
) -> None:
    found = in_form("rated_items", features, cases, 0)
    assert not found.has_user_SU.any() and not found.user_SUF.any()
    assert torch.equal(found.rated_SUE, features.rated_SUE)
    assert torch.equal(found.item_VE, features.item_VE)


def test_ids_tell_items_apart_and_nothing_of_what_was_extracted(
    features: Features, cases: RatingCases
) -> None:
    found = in_form("item_ids", features, cases, 0)
    again = in_form("item_ids", features._replace(item_VE=features.item_VE + 1), cases, 0)
    assert torch.equal(found.item_VE, again.item_VE)
    assert torch.equal(found.rated_SUE, again.rated_SUE)
    assert len({tuple(row) for row in found.item_VE[1:].tolist()}) == len(found.item_VE) - 1
    assert not found.item_VE[0].any() and not found.has_item_V[0] and found.has_item_V[1:].all()
    assert not found.has_user_SU.any()
    rater = cases.train.user_N[0]
    own_N = (cases.train.user_N == rater) & cases.space.contains(AUXILIARY, cases.train.item_N)
    mean_E = found.item_VE[cases.train.item_N[own_N]].mean(dim=0)
    torch.testing.assert_close(found.rated_SUE[AUXILIARY, rater], mean_E)


def test_shuffling_deals_out_auxiliary_sides_whole_and_no_target_side(
    world: RatingWorld, features: Features, cases: RatingCases
) -> None:
    """Each user of the auxiliary domain becomes another one there, with texts and ratings."""
    dealt = dealt_out(cases, 0)
    found = in_form("shuffled", load_features(world.store, world.scenario, dealt), dealt, 0)
    has_side_U = torch.from_numpy(cases.role_U != RATING_ROLES.index("side"))
    users = has_side_U.nonzero()[:, 0].tolist()

    def side(some: Features, rated: Ratings, user: int) -> tuple[object, ...]:
        own_N = (rated.user_N == user) & cases.space.contains(AUXILIARY, rated.item_N)
        ratings = sorted(
            zip(rated.item_N[own_N].tolist(), rated.rating_N[own_N].tolist(), strict=True)
        )
        text, has_text = some.user_SUF[AUXILIARY, user], some.has_user_SU[AUXILIARY, user]
        return ratings, text.tolist(), bool(has_text)

    before = [side(features, cases.train, user) for user in users]
    after = [side(found, dealt.train, user) for user in users]
    assert sorted(map(repr, before)) == sorted(map(repr, after))
    assert np.mean([one != other for one, other in zip(before, after, strict=True)]) > 0.8
    for user, (ratings, *_) in zip(users, after, strict=True):
        history = dealt.history_UL[user][dealt.history_UL[user] > 0].tolist()
        assert set(history) <= {item for item, _ in ratings}
    assert torch.equal(found.user_SUF[TARGET], features.user_SUF[TARGET])
    assert torch.equal(found.rated_SUE[TARGET], features.rated_SUE[TARGET])
    target_N = cases.space.contains(TARGET, cases.train.item_N)
    assert torch.equal(dealt.train.user_N[target_N], cases.train.user_N[target_N])
    assert torch.equal(dealt.test.user_N, cases.test.user_N)


def test_tables_of_other_domains_are_joined_to_the_same_items_and_users(
    world: RatingWorld, features: Features, cases: RatingCases, tmp_path: Path
) -> None:
    copy = world.copied(tmp_path)
    for kind in ("item_multimodal", "review_features"):
        for domain in DOMAINS:
            table = copy.store.read_table(f"{kind}/{domain}")
            copy.store.write_table(f"{kind}/{domain}-b", table.schema, table.slice(0, 12))
    found = load_features(copy.store, copy.scenario, cases, tuple(f"{d}-b" for d in DOMAINS))
    assert 0 < found.has_item_V.sum() < features.has_item_V.sum()
    assert (found.has_item_V <= features.has_item_V).all()
    assert (found.has_user_SU <= features.has_user_SU).all() and found.has_user_SU.any()


def test_every_variant_of_features_is_the_same_run_but_for_them(world: RatingWorld) -> None:
    run = music(world.scenario)
    for variants in (music_features, music_ablations):
        for label, other in variants(run, world.scenario).items():
            if other.features != run.features:
                assert (other.model, other.stages) == (run.model, run.stages), label
    assert np.unique([repr(one) for one in music_features(run, world.scenario).values()]).size == 3
