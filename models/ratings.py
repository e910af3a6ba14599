"""What a model of ratings eats, and the protocol that it meets.

A cold user is known in the auxiliary domain alone; what they would rate in the target domain is
asked. Users are dense and 0-based; items are those of an `ItemSpace` of two domains, the
auxiliary one first.

Shapes: N ratings or pairs, U users, V items + 1, S = 2 domains, E width of item features, F of
user features, L history length.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from models.batch import ItemSpace
from models.recommender import Losses

AUXILIARY, TARGET = 0, 1


class Pairs(NamedTuple):
    """Whose rating of what is asked."""

    user_N: Tensor  # int64
    item_N: Tensor  # int64


class Ratings(NamedTuple):
    """Ratings as they were given, on the data's own scale."""

    user_N: Tensor  # int64
    item_N: Tensor  # int64; its domain says which domain the rating is of
    rating_N: Tensor  # float32

    @property
    def pairs(self) -> Pairs:
        return Pairs(self.user_N, self.item_N)


class Users(NamedTuple):
    """A batch of users, in a stage that learns from whole users instead of ratings."""

    user_N: Tensor  # int64


class Features(NamedTuple):
    """Frozen features, each dimension of zero mean and unit variance over training rows.

    A row whose flag is False is zero. No row holds anything of a cold user's target side.
    """

    item_VE: Tensor  # of pictures and texts
    has_item_V: Tensor  # bool; False for padding and for items with neither
    user_SUF: Tensor  # of what a user wrote in each domain
    has_user_SU: Tensor  # bool; False for who wrote nothing there, or whose side is hidden
    rated_SUE: Tensor  # mean features of the items that a user rated there: for who wrote nothing
    has_rated_SU: Tensor  # bool


class Known(NamedTuple):
    """What a model is built from beside its config: data, which no weights file holds."""

    space: ItemSpace
    num_users: int
    mean_rating: float  # of all training ratings of the target domain
    history_UL: Tensor  # int64, auxiliary items of each user, oldest first, padded on the left
    history_rating_UL: Tensor  # float32, their ratings; zero where padded
    features: Features | None  # None: of a system that reads none


@runtime_checkable
class RatingModel(Protocol):
    """A `torch.nn.Module` built from one frozen config and `Known`, and trained in stages."""

    def begin(self, stage: str) -> None:
        """Lets the parameters of this stage train and holds all others; called before its fit."""
        ...

    def loss(self, stage: str, batch: Ratings | Users) -> Losses:
        """The named loss terms of a stage; the batch is of the stage's own units."""
        ...

    def predict_known(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped, of users whose own side of the item's domain was trained on."""
        ...

    def predict(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped, of target items for cold users: from their auxiliary side
        alone. Repeatable: noise follows from the config's seed and the user."""
        ...


class Shared(NamedTuple):
    """Of a first stage that models of other settings may have in common."""

    settings: dict[str, Any]  # all of the config that decides what it makes
    parts: tuple[str, ...]  # submodules that it trains, made before all others of the model


@runtime_checkable
class SharesStage(Protocol):
    """A `RatingModel` with a first stage that need not be trained for each of its variants."""

    def shared(self, stage: str) -> Shared | None:
        """None of a stage that is the model's own."""
        ...


@runtime_checkable
class RatingCounter(Protocol):
    """A predictor in closed form; it has no parameters, and `state_dict()` holds what it found."""

    def count(self, train: Ratings, valid: Ratings) -> None:
        """Reads all training ratings of both domains; `valid`, cold users' target ratings, may
        choose a strength and nothing else."""
        ...

    def predict(self, pairs: Pairs) -> Tensor:
        """As `RatingModel.predict`."""
        ...
