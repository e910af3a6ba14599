"""SASRec: the next item from a causal Transformer's last state.

Kang and McAuley, "Self-Attentive Sequential Recommendation", 2018. One table holds the items
of all domains, so that mixed sequences carry a user from one domain into the other.

Departs from the paper: the default loss is a sampled softmax within the label's domain; with
the paper's binary loss (`objective="bce"`) training takes many times longer.

Shapes: B batch, L history length, D width, V items + 1, N labels.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from models.batch import PADDING, ItemSpace, Query, SequenceBatch
from models.blocks.losses import (
    domain_bce,
    domain_softmax,
    draw_of_domains,
    look_up,
    sampled_domain_softmax,
)
from models.blocks.transformer import EncoderConfig, SequenceEncoder, last_state, trim
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class SASRecConfig:
    space: ItemSpace
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    objective: Literal["sampled_softmax", "full_softmax", "bce"] = "sampled_softmax"
    num_negatives: int = 512  # of sampled_softmax, drawn in the label's own domain


class SASRec(nn.Module):
    def __init__(self, config: SASRecConfig):
        super().__init__()
        self.config = config
        self.item = nn.Embedding(
            config.space.num_items + 1, config.encoder.width, padding_idx=PADDING
        )
        self.encoder = SequenceEncoder(config.encoder)
        init_weights(self)

    def forward(self, items_BL: Tensor) -> Tensor:
        """A state for each position, [B, L, D], of histories already trimmed."""
        return self.encoder(self.item(items_BL), items_BL != PADDING)

    def loss(self, batch: SequenceBatch) -> Losses:
        """Every position but the last predicts the item that follows it."""
        items_BL = trim(batch.items_BL, self.config.encoder.max_length + 1)
        history_BL, label_BL = items_BL[:, :-1], items_BL[:, 1:]
        asked_BL = history_BL != PADDING
        label_N = label_BL[asked_BL]
        if self.config.objective == "sampled_softmax":
            return {"next_item": self._sampled(history_BL, asked_BL, label_N)}
        state_ND = self(history_BL)[asked_BL]
        if self.config.objective == "bce":
            return {"next_item": domain_bce(state_ND, label_N, self.item, self.config.space)}
        return {"next_item": domain_softmax(state_ND, label_N, self.item, self.config.space, None)}

    def _sampled(self, history_BL: Tensor, asked_BL: Tensor, label_N: Tensor) -> Tensor:
        """`domain_softmax` with the histories in the same look-up as labels and negatives."""
        space = self.config.space
        negative_SM = draw_of_domains(space, self.config.num_negatives, label_N.device)
        x_BLD, label_ND, negative_SMD = look_up(self.item, history_BL, label_N, negative_SM)
        state_ND = self.encoder(x_BLD, asked_BL)[asked_BL]
        return sampled_domain_softmax(state_ND, label_N, label_ND, negative_SM, negative_SMD, space)

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V]; an empty history scores every item zero."""
        history_BL = trim(query.history_BL, self.config.encoder.max_length)
        return last_state(self(history_BL)) @ self.item.weight.T


def init_weights(model: SASRec) -> None:
    """Items: normal, std 0.02, padding zero. The encoder sets its own."""
    nn.init.normal_(model.item.weight, std=0.02)
    with torch.no_grad():
        model.item.weight[PADDING] = 0
