"""What EMCDR, SSCDR, PTUPCDR and DiffCDR have in common, each of them asked."""

import copy

import pytest
import torch
from torch import nn

from models.batch import ItemSpace
from models.rating_baselines.biased_mf import DomainFactors
from models.rating_baselines.diffcdr import DiffCDR, DiffCDRConfig
from models.rating_baselines.emcdr import EMCDR, EMCDRConfig
from models.rating_baselines.ptupcdr import PTUPCDR, PTUPCDRConfig
from models.rating_baselines.sscdr import SSCDRRatings, SSCDRRatingsConfig
from models.rating_baselines.transferred import cold_ratings, liked
from models.rating_baselines.unit_scale import UnitScale
from models.ratings import AUXILIARY, TARGET, Known, Pairs, RatingModel, Ratings, Users

SPACE = ItemSpace(sizes=(5, 4))
KNOWN = Known(
    space=SPACE,
    num_users=6,
    mean_rating=4.0,
    history_UL=torch.tensor(
        [[0, 1, 2, 3], [0, 0, 4, 5], [1, 2, 4, 5], [0, 0, 0, 3], [0, 0, 0, 0], [2, 3, 4, 5]]
    ),
    history_rating_UL=torch.tensor(
        [[0, 5, 2, 4], [0, 0, 5, 5], [4, 3, 5, 1], [0, 0, 0, 2], [0, 0, 0, 0], [5, 5, 5, 5]]
    ).float(),
    features=None,
)
RATINGS = Ratings(
    torch.tensor([0, 1, 2, 0, 1, 2, 3]),
    torch.tensor([1, 4, 2, 6, 7, 9, 3]),
    torch.tensor([5.0, 5, 3, 4, 2, 1, 2]),
)
TARGET_RATINGS = Ratings(RATINGS.user_N[3:6], RATINGS.item_N[3:6], RATINGS.rating_N[3:6])
OVERLAP = Users(torch.tensor([0, 1, 2]))
COLD = Pairs(torch.tensor([5, 3, 4, 5, 3]), torch.tensor([6, 7, 8, 9, 6]))

SYSTEMS = {
    "emcdr": (EMCDR, EMCDRConfig, "mapping", OVERLAP, {"map"}),
    "emcdr_tanh": (EMCDR, lambda **s: EMCDRConfig(hidden=7, **s), "mapping", OVERLAP, {"map"}),
    "sscdr": (SSCDRRatings, SSCDRRatingsConfig, "mapping", OVERLAP, {"map"}),
    "ptupcdr": (PTUPCDR, PTUPCDRConfig, "bridge", TARGET_RATINGS, {"meta"}),
    "diffcdr": (DiffCDR, DiffCDRConfig, "diffusion", TARGET_RATINGS, {"noise", "align"}),
}


@pytest.fixture(params=SYSTEMS)
def system(request):
    """The model with factors as large as trained ones, its second stage and that one's batch."""
    model_type, config_type, stage, batch, parts = SYSTEMS[request.param]
    torch.manual_seed(0)
    model = model_type(config_type(width=3), KNOWN)
    _fill(model.factors)
    return model, stage, batch, parts


def _fill(factors: DomainFactors) -> None:
    for parameter in factors.parameters():
        nn.init.normal_(parameter, std=0.5)


def _step(model: nn.Module, stage: str, batch: Ratings | Users) -> None:
    model.begin(stage)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=0.01)
    sum(model.loss(stage, batch).values()).backward()
    optimizer.step()


def _changed(before: dict[str, torch.Tensor], model: nn.Module) -> set[str]:
    return {
        name.split(".")[0]
        for name, value in model.named_parameters()
        if not torch.equal(value, before[name])
    }


def test_every_one_meets_the_protocol(system):
    assert isinstance(system[0], RatingModel)


def test_the_first_stage_moves_the_factors_and_the_second_everything_else(system):
    model, stage, batch, parts = system
    before = copy.deepcopy(model.state_dict())
    _step(model, "ratings", RATINGS)
    assert _changed(before, model) == {"factors"}

    before = copy.deepcopy(model.state_dict())
    _step(model, stage, batch)
    assert _changed(before, model) == parts
    others = {name.split(".")[0] for name, _ in model.named_parameters()} - {"factors"}
    assert others == parts


def test_the_first_stage_is_squared_error_of_both_domains_and_a_weighed_penalty(system):
    model = system[0]
    losses = model.loss("ratings", RATINGS)
    error = (model.predict_known(RATINGS.pairs) - RATINGS.rating_N).square().mean()

    torch.testing.assert_close(losses["rating"], error)
    torch.testing.assert_close(losses["penalty"], 0.02 * model.factors.penalty(RATINGS.pairs))


def test_a_prediction_is_the_same_alone_and_in_any_batch_and_twice(system):
    model, stage, batch, _ = system
    _step(model, stage, batch)
    model.eval()

    together = model.predict(COLD)
    alone = [model.predict(Pairs(COLD.user_N[n : n + 1], COLD.item_N[n : n + 1])) for n in range(5)]

    torch.manual_seed(99)
    assert torch.equal(together, model.predict(COLD))
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)
    assert together.unique().numel() == 5


def test_a_cold_users_own_target_side_is_never_read(system):
    model, stage, batch, _ = system
    _step(model, stage, batch)
    model.eval()
    before = model.predict(COLD)
    cold_users = COLD.user_N.unique()
    sides = TARGET * KNOWN.num_users + cold_users

    with torch.no_grad():
        model.factors.user_vector.weight[sides] = torch.nan
        model.factors.user_deviation.weight[sides] = torch.nan

    assert torch.equal(before, model.predict(COLD))


def test_padding_before_a_history_changes_nothing_and_is_never_looked_at(system):
    model = system[0]
    padded = KNOWN._replace(
        history_UL=nn.functional.pad(KNOWN.history_UL, (3, 0)),
        history_rating_UL=nn.functional.pad(KNOWN.history_rating_UL, (3, 0)),
    )
    other = type(model)(model.config, padded)
    other.load_state_dict(model.state_dict())
    with torch.no_grad():  # a user who liked something: padding's own vector must not matter
        other.factors.item_vector.weight[0] += 10

    torch.testing.assert_close(other.predict(COLD), model.predict(COLD))


def test_weights_are_all_that_a_prediction_needs(system):
    model, stage, batch, _ = system
    _step(model, stage, batch)
    other = type(model)(model.config, KNOWN)
    other.load_state_dict(model.state_dict())

    assert torch.equal(other.eval().predict(COLD), model.eval().predict(COLD))


@pytest.mark.parametrize(("user_bias", "expected"), [(True, 4.2 + 1.4 + 0.5), (False, 5.6)])
def test_a_cold_rating_is_the_items_bias_and_the_product_and_the_auxiliary_bias(
    user_bias, expected
):
    factors = DomainFactors(SPACE, 6, 2, 4.0)
    with torch.no_grad():
        factors.item_deviation.weight[7] = 0.2
        factors.item_vector.weight[7] = torch.tensor([1.0, 2.0])
        factors.user_deviation.weight[AUXILIARY * 6 + 5] = 0.5
        factors.user_deviation.weight[TARGET * 6 + 5] = 100.0
    pairs = Pairs(torch.tensor([5]), torch.tensor([7]))

    rating = cold_ratings(factors, pairs, torch.tensor([[0.4, 0.5]]), user_bias)

    assert rating.tolist() == pytest.approx([expected])


def test_liked_is_rated_above_and_padding_is_never_liked():
    padded_well = KNOWN._replace(history_rating_UL=KNOWN.history_rating_UL.clamp(min=4))

    assert liked(KNOWN, torch.tensor([2, 0]), 3)[1].tolist() == [
        [True, False, True, False],
        [False, True, False, True],
    ]
    assert liked(padded_well, torch.tensor([4, 1]), 3)[1].tolist() == [
        [False, False, False, False],
        [False, False, True, True],
    ]


def test_the_scale_is_the_mean_of_training_batches_alone():
    scale = UnitScale()
    assert scale.down(torch.tensor([2.0])).item() == 2
    scale.observe(torch.tensor([[3.0, 3.0]]))
    scale.observe(torch.tensor([[1.0, 1.0]]))
    scale.eval().observe(torch.tensor([[50.0, 50.0]]))

    assert scale.down(torch.tensor([5.0])).item() == pytest.approx(5**0.5)
    assert scale.up(scale.down(torch.tensor([7.0]))).item() == pytest.approx(7)
