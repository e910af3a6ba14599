"""What a run makes of extracted features instead of reading them as they are: its ablations.

Shapes: N ratings, V items + 1, U users, S domains, E width of item features, F of user features.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.ratings import AUXILIARY, TARGET, Features, Ratings
from pipeline.columns import RATING_ROLES
from pipeline.train.ratings.cases import RatingCases
from pipeline.train.ratings.features import rated_features
from pipeline.train.ratings.runs import FeatureForm


def in_form(form: FeatureForm, features: Features, cases: RatingCases, seed: int) -> Features:
    """As `FeatureForm` says; what is drawn at random follows from the seed."""
    if form == "rated_items":
        return _without_texts(features)
    if form == "item_ids":
        return _by_ids(features, cases, seed)
    if form == "shuffled":
        return _shuffled(features, cases, seed)
    return features


def _without_texts(features: Features) -> Features:
    return features._replace(
        user_SUF=torch.zeros_like(features.user_SUF),
        has_user_SU=torch.zeros_like(features.has_user_SU),
    )


def _by_ids(features: Features, cases: RatingCases, seed: int) -> Features:
    """Random vectors of a few hundred numbers are all but orthogonal: they tell items apart, and
    nothing else, at the width of the features that they stand for."""
    generator = torch.Generator().manual_seed(seed)
    item_VE = torch.randn(features.item_VE.shape, generator=generator)
    has_item_V = torch.arange(len(item_VE)) > 0
    item_VE[0] = 0
    rated_SUE, has_rated_SU = rated_features(item_VE, has_item_V, cases)
    return _without_texts(features)._replace(
        item_VE=item_VE, has_item_V=has_item_V, rated_SUE=rated_SUE, has_rated_SU=has_rated_SU
    )


def dealt_out(cases: RatingCases, seed: int) -> RatingCases:
    """The cases of form "shuffled": auxiliary ratings go with the texts to their new users.

    Left where they were, they would teach the projections who a cold user is whatever the text.
    """
    owner_U = _owners(cases, seed)
    user_N, item_N, rating_N = cases.train
    is_auxiliary_N = cases.space.contains(AUXILIARY, item_N)
    moved_N = torch.where(is_auxiliary_N, owner_U.argsort()[user_N], user_N)
    return replace(
        cases,
        train=Ratings(moved_N, item_N, rating_N),
        history_UL=cases.history_UL[owner_U],
        history_rating_UL=cases.history_rating_UL[owner_U],
    )


def _shuffled(features: Features, cases: RatingCases, seed: int) -> Features:
    """Texts alone: what users rated follows from the cases, which are dealt out already."""
    owner_U = _owners(cases, seed)

    def dealt(sides: Tensor) -> Tensor:
        """[S, U, ...]"""
        return torch.stack([sides[AUXILIARY][owner_U], sides[TARGET]])

    return features._replace(
        user_SUF=dealt(features.user_SUF), has_user_SU=dealt(features.has_user_SU)
    )


def _owners(cases: RatingCases, seed: int) -> Tensor:
    """Whose auxiliary side each user gets, int64 [U]; who has none keeps that."""
    users = torch.from_numpy(np.flatnonzero(cases.role_U != RATING_ROLES.index("side")))
    generator = torch.Generator().manual_seed(seed)
    owner_U = torch.arange(cases.num_users)
    owner_U[users] = users[torch.randperm(len(users), generator=generator)]
    return owner_U
