"""Pseudo-overlapping users: single-domain users with items of the other domain that may suit them.

LGCD takes the items that are nearest to what a language model wrote for the user ("titles").
Where no model wrote for everyone, two ways need none: the items nearest to the mean text of the
user's own history ("text_neighbours"), and the items that overlapping users chose after such
histories ("cooccurrence", with the votes of models/baselines/cooccurrence.py).

Shapes: B users of a chunk, N users, K items of a user, L history length, C items of the target
domain, S items of the source domain, E text width, V items + 1, P pairs of items that co-occur.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
import torch.nn.functional as F
from torch import Tensor

from models.baselines.cooccurrence import Cooccurrence, PairCounts
from models.baselines.popularity import from_the_end
from models.batch import PADDING, ItemSpace
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.cuts import domains_of
from pipeline.train.ragged import Ragged

_CHUNK = 512
"""Users whose scores of all items are in memory at once."""

Scores = Callable[[Tensor], Tensor]
"""Histories of one domain [B, L] -> scores of the other domain's items [B, C]; -inf: not at all."""


@dataclass(frozen=True, kw_only=True)
class PseudoUsers:
    """Every user has at least one item of the other domain."""

    row_N: np.ndarray  # int64, which of the given or stored sequences is the user's
    source: Ragged  # the user's real items
    item_NK: np.ndarray  # int64, best first; 0 where a user has fewer
    score_NK: np.ndarray  # float32, their softmax weighs the items; -inf where a user has fewer
    domain_N: np.ndarray  # int64, the items' domain

    def __len__(self) -> int:
        return len(self.domain_N)


def no_users() -> PseudoUsers:
    nothing = np.zeros(0, dtype=np.int64)
    return PseudoUsers(
        row_N=nothing,
        source=Ragged(flat=nothing, bounds=np.zeros(1, dtype=np.int64)),
        item_NK=nothing.reshape(0, 1),
        score_NK=np.zeros((0, 1), dtype=np.float32),
        domain_N=nothing,
    )


def by_titles(store: Store, scenario: Scenario, num_items: int) -> PseudoUsers:
    """The first `num_items` stored pseudo-interactions of each single-domain user; cosines."""
    table = store.read_table(f"pseudo_interactions/{scenario.name}")
    table = table.filter(pc.equal(table["part"], "single"))
    table = table.filter(pc.greater(pc.list_value_length(table["items"]), 0))
    if not table.num_rows:
        return no_users()
    sequences = store.read_table(f"sequences/{scenario.name}", ["user", "items"])
    rows = pc.index_in(table["user"], sequences["user"]).to_numpy().astype(np.int64)
    domains = pc.index_in(table["target_domain"], pa.array(scenario.domains)).to_numpy()
    items = Ragged.of(table["items"])
    scores = table["scores"].combine_chunks().flatten().to_numpy()
    place = items.bounds[:-1, None] + np.arange(min(num_items, items.longest))
    given = place < items.bounds[1:, None]
    place = np.where(given, place, 0)
    return PseudoUsers(
        row_N=rows,
        source=Ragged.of(sequences["items"]).take(rows),
        item_NK=np.where(given, items.flat[place], PADDING),
        score_NK=np.where(given, scores[place], -np.inf).astype(np.float32),
        domain_N=domains.astype(np.int64),
    )


def by_text_neighbours(
    sequences: Ragged, space: ItemSpace, text_VE: Tensor, num_items: int
) -> PseudoUsers:
    """The items nearest to the mean text vector of each single-domain sequence, by cosine."""
    text_VE = text_VE.float()

    def cosines(target: int) -> Scores:
        item_CE = F.normalize(text_VE[space.columns(target)], dim=1)

        def score(history_BL: Tensor) -> Tensor:
            flat_P = history_BL[history_BL != PADDING]
            length_B = (history_BL != PADDING).sum(dim=1)
            mean_BE = F.embedding_bag(flat_P, text_VE, length_B.cumsum(0) - length_B)
            return F.normalize(mean_BE, dim=1) @ item_CE.T

        return score

    return _retrieved(sequences, space, cosines, num_items)


def by_cooccurrence(
    sequences: Ragged, space: ItemSpace, counted: Cooccurrence, num_items: int
) -> PseudoUsers:
    """The items with most of `counted`'s votes for each single-domain sequence.

    Scores are log votes, so that their softmax is an item's share of the votes. Users whom no
    overlapping user's choice says anything of are left out.
    """

    def log_votes(target: int) -> Scores:
        own, other = space.ids(target), space.ids(1 - target)
        across_CS = _matrix(counted.across, own, other, shared=False)
        within_CC = _matrix(counted.within, own, own, shared=True) * counted.config.hop

        def score(history_BL: Tensor) -> Tensor:
            recency_BL = from_the_end(history_BL, counted.config.recency).float()
            weight_BS = recency_BL.new_zeros(len(history_BL), 1 + len(other))  # one for padding
            place_BL = torch.where(history_BL == PADDING, 0, history_BL - other.start + 1)
            weight_BS.scatter_add_(1, place_BL, recency_BL)
            direct_CB = across_CS @ weight_BS[:, 1:].T
            return (direct_CB + within_CC @ direct_CB).T.log()

        return score

    return _retrieved(sequences, space, log_votes, num_items)


def _matrix(counts: PairCounts, voted: range, voter: range, *, shared: bool) -> Tensor:
    """The votes between items of two domains as a sparse matrix, CSR [voted, voter].

    One domain's rows and columns alone: most pairs concern the larger domain with itself, and
    most users ask for the other. `shared`: every voter divides one vote among the voted.
    """
    voted_P = counts.pair_P // counts.num_columns - voted.start
    voter_P = counts.pair_P % counts.num_columns - voter.start
    own_P = (voted_P >= 0) & (voted_P < len(voted)) & (voter_P >= 0) & (voter_P < len(voter))
    voted_P, voter_P, weight_P = voted_P[own_P], voter_P[own_P], counts.weight_P[own_P]
    if shared:
        total_V = weight_P.new_zeros(len(voter)).index_add_(0, voter_P, weight_P)
        weight_P = weight_P / total_V[voter_P]
    index = torch.stack([voted_P, voter_P])
    size = (len(voted), len(voter))
    # Pairs are stored in this order already.
    coo = torch.sparse_coo_tensor(
        index, weight_P.float(), size, is_coalesced=True, check_invariants=False
    )
    return coo.to_sparse_csr()


def _retrieved(
    sequences: Ragged, space: ItemSpace, scores: Callable[[int], Scores], num_items: int
) -> PseudoUsers:
    """The best items of the other domain for each single-domain sequence, in chunks of users."""
    target_N = 1 - domains_of(sequences.flat[sequences.bounds[:-1]], space)
    item_NK = np.zeros((len(sequences), num_items), dtype=np.int64)
    score_NK = np.full((len(sequences), num_items), -np.inf, dtype=np.float32)
    for target in np.unique(target_N):
        score, ids = scores(int(target)), space.ids(int(target))
        count, users = min(num_items, len(ids)), np.flatnonzero(target_N == target)
        for rows in np.split(users, range(_CHUNK, len(users), _CHUNK)):
            score_BC = score(sequences.padded(rows, sequences.longest))
            best = score_BC.topk(count, dim=1)
            score_NK[rows, :count] = best.values.numpy()
            item_NK[rows, :count] = best.indices.numpy() + ids.start
    item_NK[np.isneginf(score_NK)] = PADDING
    kept = np.flatnonzero(item_NK[:, 0])
    return PseudoUsers(
        row_N=kept,
        source=sequences.take(kept),
        item_NK=item_NK[kept],
        score_NK=score_NK[kept],
        domain_N=target_N[kept].astype(np.int64),
    )
