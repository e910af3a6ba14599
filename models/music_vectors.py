"""MuSiC's vectors of users and items from frozen features, and the ratings that they give.

Features are data: the modules hold them as buffers that no weights file stores.

Shapes: N users, items or pairs, U users, V items + 1, E width of item features, F of user
features, D width of the vectors, C different items of one domain, K projections of items.
"""

import torch
from torch import Tensor, nn

from models.batch import ItemSpace
from models.blocks.dropout import FastDropout
from models.music_config import MuSiCConfig
from models.ratings import Features


def projection(feature_width: int, config: MuSiCConfig) -> nn.Sequential:
    """features -> 512 -> 128 -> 32, GELU and dropout between; tanh or relu are still to come.

    The paper names an MLP, tanh at its end, and the width of 32.
    """
    layers: list[nn.Module] = []
    inputs = feature_width
    for outputs in config.hidden:
        layers += [nn.Linear(inputs, outputs), nn.GELU(), FastDropout(config.dropout)]
        inputs = outputs
    return nn.Sequential(*layers, nn.Linear(inputs, config.width))


class ItemVectors(nn.Module):
    """f_i from pictures and texts, within [-1, 1] (tanh); an item with neither has a learned one.

    The paper's "domain-unified" features share one projection.
    """

    item_VE: Tensor
    has_item_V: Tensor

    def __init__(self, config: MuSiCConfig, space: ItemSpace, features: Features):
        super().__init__()
        count, width = 1 if config.share_item_mlp else len(space.sizes), features.item_VE.shape[1]
        self.projections = nn.ModuleList(projection(width, config) for _ in range(count))
        self.null_KD = nn.Parameter(_first_null(count, config.width))
        self.end = _ENDS[config.projection_activation]()
        self.register_buffer("item_VE", features.item_VE, persistent=False)
        self.register_buffer("has_item_V", features.has_item_V, persistent=False)

    def forward(self, domain: int, item_N: Tensor) -> Tensor:
        """[N, D] of items of one domain; an item that occurs often is projected once."""
        own = domain if len(self.projections) > 1 else 0
        item_C, row_N = item_N.unique(return_inverse=True)
        vector_CD = self.projections[own](self.item_VE[item_C])
        shown_C1 = self.has_item_V[item_C, None]
        return self.end(torch.where(shown_C1, vector_CD, self.null_KD[own]))[row_N]


class UserVectors(nn.Module):
    """f_u of one domain, from what a user wrote there, within [-1, 1] (tanh).

    Beyond the paper, which has no such users: who wrote nothing there is projected from the mean
    features of the items that they rated there, and who did neither has a learned vector.
    """

    text_UF: Tensor
    has_text_U: Tensor
    rated_UE: Tensor
    has_rated_U: Tensor

    def __init__(self, config: MuSiCConfig, domain: int, features: Features):
        super().__init__()
        self.text_drop = config.text_drop
        self.of_text = projection(features.user_SUF.shape[2], config)
        self.of_rated = projection(features.rated_SUE.shape[2], config)
        self.null_D = nn.Parameter(_first_null(1, config.width)[0])
        self.end = _ENDS[config.projection_activation]()
        self.register_buffer("text_UF", features.user_SUF[domain], persistent=False)
        self.register_buffer("has_text_U", features.has_user_SU[domain], persistent=False)
        self.register_buffer("rated_UE", features.rated_SUE[domain], persistent=False)
        self.register_buffer("has_rated_U", features.has_rated_SU[domain], persistent=False)

    def forward(self, user_N: Tensor) -> Tensor:
        """[N, D]. In training, texts are hidden at the rate `text_drop`."""
        has_text_N = self.has_text_U[user_N]
        if self.training:
            drawn_N = torch.rand(len(user_N), device=user_N.device)
            has_text_N = has_text_N & (drawn_N >= self.text_drop)
        vector_ND = self.null_D.expand(len(user_N), -1)
        # Each user by one of the two: projecting everybody by both would double the work.
        for shown_N, project, feature_UE in (
            (has_text_N, self.of_text, self.text_UF),
            (self.has_rated_U[user_N] & ~has_text_N, self.of_rated, self.rated_UE),
        ):
            rows = shown_N.nonzero()[:, 0]
            vector_ND = vector_ND.index_copy(0, rows, project(feature_UE[user_N[rows]]))
        return self.end(vector_ND)

    def known(self, user_N: Tensor) -> Tensor:
        """Who wrote or rated anything here, bool [N]."""
        return self.has_text_U[user_N] | self.has_rated_U[user_N]


class RatingHead(nn.Module):
    """b_0 + s * <f_u, f_i> + b_i of one domain, on the data's own scale, not clamped.

    The paper prints no rating function. The usual completion, 3 + s * <f_u, f_i> + b_i + b_0,
    has the middle of a 1..5 scale as a constant; here it is left out and b_0 starts at the mean
    training rating, so that the constant is learned and other scales need no other one.
    """

    def __init__(self, config: MuSiCConfig, ids: range, mean_rating: float):
        super().__init__()
        self.first_id = ids.start
        self.base = nn.Parameter(torch.tensor(mean_rating))
        self.scale = nn.Parameter(torch.tensor(config.scale_init))
        self.bias_C = nn.Parameter(torch.zeros(len(ids)))

    def forward(self, user_ND: Tensor, item_ND: Tensor, item_N: Tensor) -> Tensor:
        match_N = (user_ND * item_ND).sum(dim=1)
        return self.base + self.scale * match_N + self.bias_C[item_N - self.first_id]


def _first_null(count: int, width: int) -> Tensor:
    """Small, but not zero: relu would never let it go."""
    return 0.1 * torch.randn(count, width)


_ENDS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}
