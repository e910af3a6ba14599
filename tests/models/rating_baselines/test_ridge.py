"""Ridge: its columns, its closed form, and that nothing hidden is read."""

from typing import Any

import pytest
import torch

from models.batch import ItemSpace
from models.rating_baselines.ridge import Axes, Ridge, RidgeConfig, mean_of_others
from models.ratings import AUXILIARY, TARGET, Features, Known, Pairs, RatingCounter, Ratings

NUM_USERS, ITEM_WIDTH, USER_WIDTH = 40, 6, 5
SPACE = ItemSpace(sizes=(10, 12))
WITHOUT_TEXT = (1, 2, 3)  # of these users, 2 and 3 rated nothing, either
WITHOUT_FEATURES = 12  # a target item


def _draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def _known() -> Known:
    has_item_V = torch.ones(23, dtype=torch.bool)
    has_item_V[[0, WITHOUT_FEATURES]] = False
    has_user_SU = torch.ones(2, NUM_USERS, dtype=torch.bool)
    has_user_SU[AUXILIARY, list(WITHOUT_TEXT)] = False
    has_rated_SU = torch.ones(2, NUM_USERS, dtype=torch.bool)
    has_rated_SU[AUXILIARY, 2:4] = False
    features = Features(
        item_VE=_draw(23, ITEM_WIDTH) * has_item_V.unsqueeze(1),
        has_item_V=has_item_V,
        user_SUF=_draw(2, NUM_USERS, USER_WIDTH) * has_user_SU.unsqueeze(2),
        has_user_SU=has_user_SU,
        rated_SUE=_draw(2, NUM_USERS, ITEM_WIDTH) * has_rated_SU.unsqueeze(2),
        has_rated_SU=has_rated_SU,
    )
    return Known(
        space=SPACE,
        num_users=NUM_USERS,
        mean_rating=4.0,
        history_UL=torch.zeros(NUM_USERS, 1, dtype=torch.int64),
        history_rating_UL=torch.zeros(NUM_USERS, 1),
        features=features,
    )


KNOWN = _known()


def _all_ratings(rating_UV: torch.Tensor) -> Ratings:
    """Everyone rates all target items and one auxiliary item."""
    user_N, column_N = torch.ones_like(rating_UV).nonzero(as_tuple=True)
    auxiliary = torch.arange(len(rating_UV))
    return Ratings(
        torch.cat([user_N, auxiliary]),
        torch.cat([column_N + SPACE.ids(TARGET).start, torch.ones_like(auxiliary)]),
        torch.cat([rating_UV.flatten(), torch.full((len(rating_UV),), 3.0)]),
    )


TRAIN = _all_ratings(4 + _draw(30, 12))
VALID = Ratings(torch.tensor([35, 36, 36]), torch.tensor([11, 12, 20]), torch.tensor([4.0, 2, 5]))


def _fitted(train: Ratings = TRAIN, known: Known = KNOWN, **settings: Any) -> Ridge:
    config = RidgeConfig(**{"axes": 3, "product_axes": 2, "strengths": (7.0,)} | settings)
    ridge = Ridge(config, known)
    ridge.count(train, VALID)
    return ridge


def _design(ridge: Ridge, pairs: Pairs, deviation_N: torch.Tensor) -> torch.Tensor:
    return torch.cat(list(ridge._rows(pairs, deviation_N)))


def test_the_axes_are_those_of_a_singular_value_decomposition():
    for num_rows in (4, 30):  # fewer and more than columns
        rows = _draw(num_rows, 6).double() + 2
        axes = Axes(6, 3)
        axes.fit(rows)
        score_NK = axes(rows, torch.ones(num_rows, dtype=torch.bool))

        u, s, _ = torch.linalg.svd(rows - rows.mean(dim=0), full_matrices=False)
        expected_NK = u[:, :3] * s[:3] / s[0] * num_rows**0.5
        assert torch.allclose(score_NK.abs(), expected_NK.abs())
        assert score_NK[:, 0].std(correction=0).item() == pytest.approx(1.0)


def test_axes_beyond_the_rank_of_the_rows_are_zero():
    axes = Axes(6, 4)
    axes.fit(_draw(3, 6))
    assert (axes.axis_EK.abs().sum(dim=0) > 0).tolist() == [True, True, False, False]

    for alike in (torch.ones(5, 6), torch.ones(0, 6)):
        axes.fit(alike)
        assert not axes.axis_EK.any()


def test_a_training_rows_own_rating_is_left_out_of_its_items_deviation():
    ratings = Ratings(
        torch.tensor([0, 1, 2, 0]), torch.tensor([4, 4, 4, 5]), torch.tensor([5.0, 3.0, 1.0, 4.0])
    )
    # Others of row 0 have the mean 8/3; those of item 4 deviate by 3 + 1 - 16/3 in all.
    expected = [(4 - 2 * 8 / 3) / 4, (6 - 2 * 10 / 3) / 4, (8 - 2 * 4) / 4, 0.0]
    assert mean_of_others(ratings, 2.0).tolist() == pytest.approx(expected)

    changed = ratings._replace(rating_N=torch.tensor([1.0, 3.0, 1.0, 4.0]))
    value_N, changed_N = mean_of_others(ratings, 2.0), mean_of_others(changed, 2.0)
    assert changed_N[0] == value_N[0]
    assert changed_N[1] < value_N[1]


def test_each_column_holds_what_it_is_documented_to():
    ridge = _fitted()
    users, items = torch.tensor([0, 1, 2, 0]), torch.tensor([11, 11, 11, WITHOUT_FEATURES])
    deviation_N = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    item, no_item, text, no_text, rated, nothing, by_text, by_rated, deviation, one = _design(
        ridge, Pairs(users, items), deviation_N
    ).split([3, 1, 3, 1, 3, 1, 4, 4, 1, 1], dim=1)

    assert no_item.flatten().tolist() == [0, 0, 0, 1]
    assert item[:3].all() and not item[3].any()
    assert no_text.flatten().tolist() == [0, 1, 1, 0]
    assert text[[0, 3]].all() and not text[1:3].any()
    assert nothing.flatten().tolist() == [0, 0, 1, 0]
    assert rated[1].all() and not rated[[0, 2, 3]].any()
    assert torch.allclose(by_text[0], torch.outer(item[0, :2], text[0, :2]).flatten())
    assert torch.allclose(by_rated[1], torch.outer(item[1, :2], rated[1, :2]).flatten())
    assert not by_text[1].any() and not by_rated[0].any()
    assert torch.equal(deviation.flatten(), deviation_N)
    assert one.all()


def test_the_weights_are_those_of_penalised_least_squares():
    ridge = _fitted()
    target = Ratings(*(column_N[:360] for column_N in TRAIN))  # the others are auxiliary
    others_N = mean_of_others(target, 10.0)
    row_NP = _design(ridge, target.pairs, others_N / others_N.std(correction=0))
    root_PP = 7.0**0.5 * torch.eye(row_NP.shape[1], dtype=torch.float64)[:-1]

    solution = torch.linalg.lstsq(
        torch.cat([row_NP, root_PP]),
        torch.cat([target.rating_N.double(), torch.zeros(len(root_PP), dtype=torch.float64)]),
    ).solution
    assert torch.allclose(ridge.weight_P, solution, atol=1e-9)


def test_a_strong_penalty_leaves_the_mean():
    ridge = _fitted(strengths=(1e9,))
    pairs = Pairs(torch.tensor([0, 2, 35]), torch.tensor([11, 12, 20]))

    mean = TRAIN.rating_N[:360].mean()
    assert torch.allclose(ridge.predict(pairs), mean.expand(3), atol=1e-4)


def test_the_strength_is_the_one_that_validation_users_agree_with():
    mean = float(TRAIN.rating_N[:360].mean())
    config = RidgeConfig(axes=3, product_axes=2, strengths=(1.0, 1e9))
    ridge = Ridge(config, KNOWN)
    ridge.count(TRAIN, VALID._replace(rating_N=torch.full((3,), mean)))
    assert ridge.strength.item() == 1e9

    weak = _fitted(strengths=(1.0,)).predict(VALID.pairs)
    ridge.count(TRAIN, VALID._replace(rating_N=weak))
    assert ridge.strength.item() == 1.0
    assert torch.equal(ridge.predict(VALID.pairs), weak)


def test_tastes_planted_in_the_features_are_found_for_cold_users():
    """Of nobody in the test is a target rating read; items and texts meet in one product."""
    features = KNOWN.features
    text_UF, item_VE = features.user_SUF[AUXILIARY], features.item_VE[SPACE.columns(TARGET)]
    rating_UV = 4 + text_UF[:, :2] @ item_VE[:, :2].T + 0.5 * item_VE[:, 2]
    ridge = Ridge(RidgeConfig(axes=6, product_axes=5, strengths=(0.1,)), KNOWN)
    ridge.count(_all_ratings(rating_UV[:30]), VALID)

    cold_N, column_N = torch.ones(10, 12).nonzero(as_tuple=True)
    predicted_N = ridge.predict(Pairs(cold_N + 30, column_N + SPACE.ids(TARGET).start))
    given_N = rating_UV[30:].flatten()
    error = (predicted_N - given_N).square().mean()
    assert error < 0.2 * (given_N - rating_UV[:30].mean()).square().mean()


def test_nothing_of_a_target_side_is_read():
    features = KNOWN.features
    poisoned = features._replace(
        user_SUF=torch.stack([features.user_SUF[AUXILIARY], torch.full((40, 5), torch.nan)]),
        has_user_SU=torch.stack([features.has_user_SU[AUXILIARY], torch.zeros(40).bool()]),
        rated_SUE=torch.stack([features.rated_SUE[AUXILIARY], torch.full((40, 6), torch.nan)]),
    )
    pairs = Pairs(torch.tensor([0, 1, 35]), torch.tensor([11, 12, 20]))

    other = _fitted(known=KNOWN._replace(features=poisoned))
    assert torch.equal(_fitted().predict(pairs), other.predict(pairs))


def test_what_was_found_is_all_in_the_state_and_features_are_not():
    counted = _fitted()
    loaded = Ridge(counted.config, KNOWN)
    loaded.load_state_dict(counted.state_dict())
    pairs = Pairs(torch.tensor([0, 1, 35]), torch.tensor([11, 12, 20]))

    assert isinstance(counted, RatingCounter)
    assert not list(counted.parameters())
    assert torch.equal(counted.predict(pairs), loaded.predict(pairs))
    assert not {"item_VE", "text_UF", "rated_UE"} & counted.state_dict().keys()


def test_counting_again_starts_afresh_and_finds_the_same():
    ridge = _fitted(train=_all_ratings(3 + _draw(20, 12)))
    ridge.count(TRAIN, VALID)

    for name, found in _fitted().state_dict().items():
        assert torch.equal(found, ridge.state_dict()[name]), name


def test_rows_are_the_same_in_parts_as_in_one(monkeypatch):
    whole = _fitted()
    monkeypatch.setattr("models.rating_baselines.ridge._ROWS_AT_ONCE", 7)
    parts = _fitted()

    assert torch.allclose(whole.predict(TRAIN.pairs), parts.predict(TRAIN.pairs), atol=1e-6)
    assert len(parts.predict(Pairs(torch.zeros(0).long(), torch.zeros(0).long()))) == 0


def test_a_prediction_does_not_depend_on_who_else_is_asked():
    ridge, one = _fitted(), Pairs(torch.tensor([35]), torch.tensor([20]))
    many = Pairs(torch.tensor([0, 35, 1]), torch.tensor([11, 20, 12]))

    assert torch.allclose(ridge.predict(one)[0], ridge.predict(many)[1], rtol=1e-6)


def test_a_run_without_features_is_refused():
    with pytest.raises(ValueError, match="ridge regresses on features"):
        Ridge(RidgeConfig(), KNOWN._replace(features=None))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"product_axes": 4}, r"product_axes must be in 0..axes = 3, is 4"),
        ({"shrinkage": 0.0}, "shrinkage must be greater than zero, is 0.0"),
        ({"strengths": (1.0, -1.0)}, "strengths must be greater than zero, is -1.0"),
    ],
)
def test_settings_that_cannot_be_solved_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        _fitted(**settings)
