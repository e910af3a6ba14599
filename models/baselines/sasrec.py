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
from models.blocks.losses import domain_bce, domain_softmax
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
        state_ND, label_N = self(history_BL)[asked_BL], label_BL[asked_BL]
        return {"next_item": self._next_item(state_ND, label_N)}

    def _next_item(self, state_ND: Tensor, label_N: Tensor) -> Tensor:
        config = self.config
        if config.objective == "bce":
            return domain_bce(state_ND, label_N, self.item, config.space)
        num_negatives = config.num_negatives if config.objective == "sampled_softmax" else None
        return domain_softmax(state_ND, label_N, self.item, config.space, num_negatives)

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
