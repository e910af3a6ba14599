"""SSCDR on ratings: both terms by hand, and which items the second one sees."""

import pytest
import torch
from torch import nn

from models.batch import ItemSpace
from models.blocks.losses import draw_items
from models.rating_baselines.sscdr import SSCDRRatings, SSCDRRatingsConfig
from models.ratings import AUXILIARY, TARGET, Known, Pairs, Users

SPACE = ItemSpace(sizes=(4, 2))
KNOWN = Known(
    space=SPACE,
    num_users=3,
    mean_rating=3.0,
    history_UL=torch.tensor([[0, 1, 2], [0, 0, 3], [0, 0, 0]]),
    history_rating_UL=torch.tensor([[0.0, 5, 3], [0, 0, 2], [0, 0, 0]]),
    features=None,
)


def _sscdr(**settings: object) -> SSCDRRatings:
    """Its map adds (1, 0); user 0 is at (3, 1) of the auxiliary domain and (2, 0) of the target."""
    torch.manual_seed(0)
    model = SSCDRRatings(SSCDRRatingsConfig(width=2, **settings), KNOWN)
    nn.init.eye_(model.map.weight)
    with torch.no_grad():
        model.map.bias.copy_(torch.tensor([1.0, 0.0]))
        model.factors.user_vector.weight[AUXILIARY * 3] = torch.tensor([3.0, 1.0])
        model.factors.user_vector.weight[TARGET * 3] = torch.tensor([2.0, 0.0])
        model.factors.item_vector.weight[1:5] = torch.tensor(
            [[1.0, 1.0], [9.0, 9.0], [0.0, 2.0], [5.0, 5.0]]
        )
    return model


# Mean squares (9 + 1) / 2 and (4 + 0) / 2.
SOURCE_SCALE, TARGET_SCALE = 5**0.5, 2**0.5


def _distance(vector: tuple[float, float]) -> float:
    """Of f(vector) to user 0 of the target domain, squared."""
    x, y = vector[0] / SOURCE_SCALE + 1, vector[1] / SOURCE_SCALE
    return (x - 2 / TARGET_SCALE) ** 2 + y**2


def test_users_are_mapped_onto_their_target_vectors_on_the_unit_scale():
    loss = _sscdr().loss("mapping", Users(torch.tensor([0])))["supervised"]

    assert loss.item() == pytest.approx(_distance((3, 1)), rel=1e-5)


def test_the_liked_item_is_mapped_nearer_than_a_random_one_by_the_margin():
    model = _sscdr(margin=20.0, semi_supervised=0.5)
    torch.manual_seed(3)
    torch.multinomial(torch.tensor([[0.0, 1.0, 0.0]]), 1)
    negative = int(draw_items(SPACE.ids(AUXILIARY), (1,), torch.device("cpu"), None))
    far = _distance(tuple(model.factors.item_vector.weight[negative].tolist()))

    torch.manual_seed(3)
    loss = model.loss("mapping", Users(torch.tensor([0])))["semi_supervised"]

    # Item 1 is liked; item 2, rated 3, is not.
    assert loss.item() == pytest.approx(0.5 * (20 + _distance((1, 1)) - far), rel=1e-5)


def test_negatives_are_auxiliary_items_and_positives_liked_ones():
    model = _sscdr(margin=1e6)
    with torch.no_grad():  # what is no negative or no positive would make the loss infinite
        model.factors.item_vector.weight[[0, 5, 6]] = torch.inf

    losses = [model.loss("mapping", Users(torch.tensor([0])))["semi_supervised"] for _ in range(30)]

    assert all(torch.isfinite(loss) for loss in losses)
    assert len({round(loss.item()) for loss in losses}) > 1


def test_who_liked_nothing_has_the_first_term_alone():
    model = _sscdr()

    losses = model.loss("mapping", Users(torch.tensor([1, 2])))

    assert losses["semi_supervised"] == 0
    assert losses["supervised"] > 0


def test_a_cold_rating_goes_to_the_unit_scale_and_back():
    model = _sscdr()
    model.loss("mapping", Users(torch.tensor([0])))
    with torch.no_grad():
        model.factors.item_vector.weight[6] = torch.tensor([1.0, 3.0])

    rating = model.predict(Pairs(torch.tensor([0]), torch.tensor([6])))

    mapped = (TARGET_SCALE * (3 / SOURCE_SCALE + 1), TARGET_SCALE / SOURCE_SCALE)
    assert rating.item() == pytest.approx(3 + mapped[0] + 3 * mapped[1], rel=1e-5)
