"""GRU4Rec: the next item from the state of a recurrent net.

Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", 2016, in the form
that RecBole made common: item embeddings, dropout, a GRU, and a linear layer back to the width of
the embeddings, whose table also scores. One table holds the items of all domains.

Departs from that form: the default loss is a sampled softmax within the label's domain, inputs
are multiplied by sqrt(D) as in `models/blocks/transformer.py`, and each state of one pass learns
its next item, which for a causal net is the same as a case of its own for every prefix.

The net runs on packed sequences, so that padding costs nothing and changes nothing.

Shapes: B batch, L history length, D width, G width of the GRU, V items + 1, N valid positions.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from models.batch import PADDING, ItemSpace, Query, SequenceBatch
from models.blocks.dropout import dropout
from models.blocks.losses import (
    domain_softmax,
    draw_of_domains,
    look_up,
    sampled_domain_softmax,
)
from models.blocks.transformer import trim
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class GRU4RecConfig:
    space: ItemSpace
    width: int = 64
    gru_width: int = 128
    num_layers: int = 1
    dropout: float = 0.3  # on the inputs
    max_length: int = 50
    objective: Literal["sampled_softmax", "full_softmax"] = "sampled_softmax"
    num_negatives: int = 512  # of sampled_softmax, drawn in the label's own domain


class GRU4Rec(nn.Module):
    def __init__(self, config: GRU4RecConfig):
        super().__init__()
        self.config = config
        self.item = nn.Embedding(config.space.num_items + 1, config.width, padding_idx=PADDING)
        self.gru = nn.GRU(config.width, config.gru_width, config.num_layers)
        self.out = nn.Linear(config.gru_width, config.width)
        init_weights(self)

    def forward(self, packed: PackedSequence, x_ND: Tensor) -> tuple[Tensor, Tensor]:
        """States after every packed item [N, D], and after each row's newest one [B, D].

        `x_ND` are the vectors of the packed ids.
        """
        x_ND = dropout(x_ND * math.sqrt(self.config.width), self.config.dropout, self.training)
        output, newest_SBG = self.gru(packed._replace(data=x_ND))
        return self.out(output.data), self.out(newest_SBG[-1])

    def loss(self, batch: SequenceBatch) -> Losses:
        """Every position but the last predicts the item that follows it."""
        items_BL = trim(batch.items_BL, self.config.max_length + 1)
        items_BL = items_BL[(items_BL != PADDING).sum(dim=1) > 1]
        if len(items_BL) == 0:
            return {"next_item": self.out.weight.sum() * 0}
        num_labels_B = (items_BL != PADDING).sum(dim=1) - 1
        items_BL = left_aligned(items_BL)
        packed = pack(items_BL[:, :-1], num_labels_B)
        label_N = pack(items_BL[:, 1:], num_labels_B).data
        if self.config.objective == "sampled_softmax":
            return {"next_item": self._sampled(packed, label_N)}
        state_ND, _ = self(packed, self.item(packed.data))
        return {"next_item": domain_softmax(state_ND, label_N, self.item, self.config.space, None)}

    def _sampled(self, packed: PackedSequence, label_N: Tensor) -> Tensor:
        """`domain_softmax` with the histories in the same look-up as labels and negatives."""
        space = self.config.space
        negative_SM = draw_of_domains(space, self.config.num_negatives, label_N.device)
        x_ND, label_ND, negative_SMD = look_up(self.item, packed.data, label_N, negative_SM)
        state_ND, _ = self(packed, x_ND)
        return sampled_domain_softmax(state_ND, label_N, label_ND, negative_SM, negative_SMD, space)

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V]; an empty history scores every item zero."""
        history_BL = trim(query.history_BL, self.config.max_length)
        length_B = (history_BL != PADDING).sum(dim=1)
        # An empty history cannot be packed: its padding is read as one item and forgotten.
        packed = pack(left_aligned(history_BL), length_B.clamp(min=1))
        _, state_BD = self(packed, self.item(packed.data))
        return (state_BD * (length_B > 0).unsqueeze(1)) @ self.item.weight.T


def left_aligned(items_BL: Tensor) -> Tensor:
    """Moves the padding of each row from its left to its right."""
    column_L = torch.arange(items_BL.shape[1], device=items_BL.device)
    padding_B1 = (items_BL == PADDING).sum(dim=1, keepdim=True)
    return items_BL.gather(1, (column_L + padding_B1) % items_BL.shape[1])


def pack(items_BL: Tensor, length_B: Tensor) -> PackedSequence:
    """The first `length_B` (at least 1) ids of each row, in the order that `nn.GRU` reads."""
    return pack_padded_sequence(items_BL, length_B.cpu(), batch_first=True, enforce_sorted=False)


def init_weights(model: GRU4Rec) -> None:
    """Items: normal, std 0.02, padding zero. Matrices: Xavier normal. Biases: zero."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            nn.init.zeros_(parameter)
        elif name != "item.weight":
            nn.init.xavier_normal_(parameter)
    nn.init.normal_(model.item.weight, std=0.02)
    with torch.no_grad():
        model.item.weight[PADDING] = 0
