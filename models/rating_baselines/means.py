"""Means and biases: what every system of ratings has to beat.

Ratings crowd at the top of their scale, so that a constant is already close, and several
published systems are further off than it. `GlobalMean` knows nothing, `UserMean` the cold user's
auxiliary ratings, `ItemMean` the item's target ratings, `Biases` both.

Means are in float64 and over ratings, not over users or items.

Shapes: N ratings or pairs, U users, V items + 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import torch
from torch import Tensor, nn

from models.batch import ItemSpace
from models.ratings import AUXILIARY, TARGET, Known, Pairs, Ratings

Strength = TypeVar("Strength")


@dataclass(frozen=True, kw_only=True)
class GlobalMeanConfig:
    pass


class GlobalMean(nn.Module):
    """The mean of the target domain's training ratings, for everyone and everything."""

    mean: Tensor

    def __init__(self, config: GlobalMeanConfig, known: Known):
        super().__init__()
        self.config, self.space = config, known.space
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))

    def count(self, train: Ratings, valid: Ratings) -> None:
        """`valid` is not read. ValueError where the target domain has no training rating."""
        self.mean = ratings_in(TARGET, train, self.space).rating_N.double().mean()

    def predict(self, pairs: Pairs) -> Tensor:
        """Ratings [N], all the same."""
        return self.mean.float().expand(len(pairs.item_N))


@dataclass(frozen=True, kw_only=True)
class UserMeanConfig:
    pass


class UserMean(nn.Module):
    """The user's mean auxiliary rating, moved by the difference of the two domains' means.

    Who rated nothing there gets the target's mean.
    """

    rating_U: Tensor

    def __init__(self, config: UserMeanConfig, known: Known):
        super().__init__()
        self.config, self.space = config, known.space
        self.register_buffer("rating_U", torch.zeros(known.num_users, dtype=torch.float64))

    def count(self, train: Ratings, valid: Ratings) -> None:
        """`valid` is not read. ValueError where a domain has no training rating."""
        auxiliary = ratings_in(AUXILIARY, train, self.space)
        target = ratings_in(TARGET, train, self.space)
        deviation_U = shrunk_mean(centred(auxiliary), auxiliary.user_N, len(self.rating_U), 0.0)
        self.rating_U = target.rating_N.double().mean() + deviation_U

    def predict(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped."""
        return self.rating_U[pairs.user_N].float()


@dataclass(frozen=True, kw_only=True)
class ItemMeanConfig:
    shrinkages: tuple[float, ...] = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0)  # one is chosen


class ItemMean(nn.Module):
    """The item's mean target rating, drawn to the mean of all by `shrinkage` ratings of that mean.

    An item without training ratings gets the mean.
    """

    rating_V: Tensor
    shrinkage: Tensor

    def __init__(self, config: ItemMeanConfig, known: Known):
        super().__init__()
        self.config, self.space = config, known.space
        num_rows = known.space.num_items + 1
        self.register_buffer("rating_V", torch.zeros(num_rows, dtype=torch.float64))
        self.register_buffer("shrinkage", torch.zeros((), dtype=torch.float64))

    def count(self, train: Ratings, valid: Ratings) -> None:
        """The shrinkage is the one of least squared error on `valid`: 0, 1, 3, 10, 30 or 100,
        unless the config lists others; of equals, the one listed first.

        ValueError where the target domain has no training rating, or `valid` is empty.
        """
        target = ratings_in(TARGET, train, self.space)
        mean = target.rating_N.double().mean()

        def ratings(shrinkage: float) -> Tensor:
            size = len(self.rating_V)
            return mean + shrunk_mean(centred(target), target.item_N, size, shrinkage)

        chosen = least_error(
            self.config.shrinkages, lambda value: ratings(value)[valid.item_N], valid
        )
        self.rating_V, self.shrinkage = ratings(chosen), self.shrinkage.new_tensor(chosen)

    def predict(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped."""
        return self.rating_V[pairs.item_N].float()


@dataclass(frozen=True, kw_only=True)
class BiasesConfig:
    item_shrinkages: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0)  # one is chosen
    user_shrinkages: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0)  # one is chosen


class Biases(nn.Module):
    """Target mean + the user's auxiliary deviation + the item's target deviation.

    Koren, "Factor in the Neighbors", 2010, section 2.1: an item deviates from its domain's mean,
    a user from mean and item, both shrunk as decoupled estimates. Departs from it: users deviate
    in another domain than the one asked; strengths are chosen, not fixed to 25 and 10.
    """

    mean: Tensor
    user_U: Tensor
    item_V: Tensor
    item_shrinkage: Tensor
    user_shrinkage: Tensor

    def __init__(self, config: BiasesConfig, known: Known):
        super().__init__()
        self.config, self.space = config, known.space
        num_rows = known.space.num_items + 1
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("user_U", torch.zeros(known.num_users, dtype=torch.float64))
        self.register_buffer("item_V", torch.zeros(num_rows, dtype=torch.float64))
        self.register_buffer("item_shrinkage", torch.zeros((), dtype=torch.float64))
        self.register_buffer("user_shrinkage", torch.zeros((), dtype=torch.float64))

    def count(self, train: Ratings, valid: Ratings) -> None:
        """The strengths are those of least squared error on `valid`, of all pairs of 1, 3, 10, 30
        and 100 (items' x users') unless the config lists others; of equals, the first.

        ValueError where a domain has no training rating, or `valid` is empty.
        """
        pairs = tuple(product(self.config.item_shrinkages, self.config.user_shrinkages))

        def error_of(strengths: tuple[float, float]) -> Tensor:
            self._fit(train, *strengths)
            return self._ratings(valid.pairs)

        self._fit(train, *least_error(pairs, error_of, valid))

    def _fit(self, train: Ratings, item_shrinkage: float, user_shrinkage: float) -> None:
        auxiliary = ratings_in(AUXILIARY, train, self.space)
        target = ratings_in(TARGET, train, self.space)
        num_items, num_users = len(self.item_V), len(self.user_U)
        auxiliary_V = shrunk_mean(centred(auxiliary), auxiliary.item_N, num_items, item_shrinkage)
        left_N = centred(auxiliary) - auxiliary_V[auxiliary.item_N]
        self.user_U = shrunk_mean(left_N, auxiliary.user_N, num_users, user_shrinkage)
        self.item_V = shrunk_mean(centred(target), target.item_N, num_items, item_shrinkage)
        self.mean = target.rating_N.double().mean()
        self.item_shrinkage = self.item_shrinkage.new_tensor(item_shrinkage)
        self.user_shrinkage = self.user_shrinkage.new_tensor(user_shrinkage)

    def _ratings(self, pairs: Pairs) -> Tensor:
        return self.mean + self.user_U[pairs.user_N] + self.item_V[pairs.item_N]

    def predict(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped; who or what was never seen deviates by zero."""
        return self._ratings(pairs).float()


def ratings_in(domain: int, ratings: Ratings, space: ItemSpace) -> Ratings:
    """Those of one domain's items. ValueError where there are none."""
    own_N = space.contains(domain, ratings.item_N)
    if not own_N.any():
        name = {AUXILIARY: "auxiliary", TARGET: "target"}[domain]
        raise ValueError(
            f"none of the {len(own_N)} training ratings is of the {name} domain: there is no mean "
            "to predict. Lower split.cold_ratios, or keep more users by scenario.filters"
        )
    return Ratings(*(column_N[own_N] for column_N in ratings))


def centred(ratings: Ratings) -> Tensor:
    """[N] float64: how far each rating is from their mean."""
    return ratings.rating_N.double() - ratings.rating_N.double().mean()


def shrunk_mean(value_N: Tensor, group_N: Tensor, num_groups: int, shrinkage: float) -> Tensor:
    """[num_groups] float64: sum / (count + shrinkage), as if `shrinkage` more values were zero.

    Zero for a group without values.
    """
    total = torch.zeros(num_groups, dtype=torch.float64, device=value_N.device)
    total = total.index_add(0, group_N, value_N.double())
    count = torch.bincount(group_N, minlength=num_groups)
    return torch.where(count > 0, total / (count + shrinkage), 0.0)


def least_error(
    strengths: tuple[Strength, ...], predict: Callable[[Strength], Tensor], valid: Ratings
) -> Strength:
    """The strength whose predictions of `valid` have the least squared error; of equals, the first.

    ValueError where `valid` is empty.
    """
    if not len(valid.rating_N):
        raise ValueError(
            "no cold user validates, so that no strength can be chosen: raise split.valid"
        )
    errors = [
        float((predict(strength) - valid.rating_N.double()).square().mean())
        for strength in strengths
    ]
    return strengths[errors.index(min(errors))]
