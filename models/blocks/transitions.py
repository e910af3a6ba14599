"""Item vectors smoothed over a graph of transitions: which item follows which.

One layer of graph convolution, LightGCN-like (no weights, no activation). A step needs the
vectors of a few hundred items only, so that the layer runs on the rows asked for, over the K
most frequent successors of each; whole products of graph and table would cost about as much as
the rest of a step.

Shapes: V items + 1, K successors kept, P transitions, Q distinct ones, U distinct ids, M those
and their successors, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import PADDING


class TransitionTable(nn.Module):
    """A table of item vectors, each with the mean of its successors' vectors.

    The graph is stored at a fixed size, whatever was counted: [V, K] ids and weights.
    """

    successor_VK: Tensor
    weight_VK: Tensor

    def __init__(self, num_columns: int, width: int, num_successors: int):
        super().__init__()
        self.item = nn.Embedding(num_columns, width, padding_idx=PADDING)
        shape = (num_columns, num_successors)
        self.register_buffer("successor_VK", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("weight_VK", torch.zeros(shape))
        nn.init.normal_(self.item.weight, std=0.02)
        with torch.no_grad():
            self.item.weight[PADDING] = 0

    def set_graph(self, before_P: Tensor, after_P: Tensor) -> None:
        """Replaces the graph by these transitions; the same one may come several times."""
        graph = most_frequent(before_P, after_P, *self.successor_VK.shape)
        self.successor_VK.copy_(graph[0])
        self.weight_VK.copy_(graph[1])

    def forward(self, ids: Tensor) -> Tensor:
        """e + (e + A e) / 2, ids of any shape [...] -> [..., D]; padding is zero.

        A is the row-normalised graph; an item without successors has A e = 0.
        """
        ids_U, inverse = ids.unique(return_inverse=True)
        bag_UK = torch.cat([ids_U.unsqueeze(1), self.successor_VK[ids_U]], dim=1)
        weight_UK = F.pad(self.weight_VK[ids_U] / 2, (1, 0), value=1.5)
        # Rows are copied out of the table once: each look-up's gradient is a pass over all of it.
        needed_M, bag_UK = bag_UK.unique(return_inverse=True)
        vectors_UD = F.embedding_bag(
            bag_UK, self.item(needed_M), mode="sum", per_sample_weights=weight_UK
        )
        return F.embedding(inverse, vectors_UD)


def most_frequent(
    before_P: Tensor, after_P: Tensor, num_columns: int, num_kept: int
) -> tuple[Tensor, Tensor]:
    """For each item its most frequent successors and their shares: ids [V, K], weights [V, K].

    The weights of an item sum to one over what is kept. Equally frequent ones are taken by id;
    unused places are padding of weight zero.
    """
    pair_Q, count_Q = (before_P * num_columns + after_P).unique(return_counts=True)
    order_Q = count_Q.argsort(descending=True, stable=True)
    order_Q = order_Q[(pair_Q[order_Q] // num_columns).argsort(stable=True)]
    before_Q, after_Q = pair_Q[order_Q] // num_columns, pair_Q[order_Q] % num_columns
    ends_V = before_Q.bincount(minlength=num_columns).cumsum(0)
    starts_V = torch.cat([ends_V.new_zeros(1), ends_V[:-1]])
    place_Q = torch.arange(len(before_Q), device=ends_V.device) - starts_V[before_Q]
    kept_Q = place_Q < num_kept
    slot = before_Q[kept_Q], place_Q[kept_Q]
    successor_VK = pair_Q.new_zeros(num_columns, num_kept).index_put(slot, after_Q[kept_Q])
    count_VK = torch.zeros(num_columns, num_kept, device=pair_Q.device)
    count_VK = count_VK.index_put(slot, count_Q[order_Q][kept_Q].float())
    return successor_VK, count_VK / count_VK.sum(dim=1, keepdim=True).clamp(min=1)
