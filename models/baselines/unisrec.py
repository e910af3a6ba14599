"""UniSRec: sequences of adapted texts, so that an item is what its title says.

Hou et al., "Towards Universal Sequence Representation Learning for Recommender Systems", KDD
2022. Frozen text vectors pass a mixture of parametric-whitening experts, SASRec reads
the adapted vectors, and logits are cosines over a temperature. The transductive form adds an id
vector to every item, in the history and among the candidates; the inductive one knows
items by their texts alone.

Departs from the paper:
- one stage instead of two. The paper pre-trains on many domains by contrast among a batch's
  own items and then fine-tunes by cross-entropy in one; here both domains are all there is, and
  the fine-tuning loss learns from the training sequences of both, from scratch;
- the softmax is over sampled items of the label's own domain (`num_negatives=None`: all), and
  every position predicts its successor;
- the contrast of a sequence with its augmented self, part of the paper's pre-training, is a
  switch; an augmented sequence loses items, never words, and equal labels are masked with -inf
  (the released code leaves them a logit of zero);
- texts are centred on their domain and scaled to unit variance beforehand; all experts share
  one dropout mask, and an item's occurrences in a batch share one adapted vector;
- 64 wide and not 300, and the encoder is this project's: pre-norm, one head, ReLU.

Shapes: B sequences, L history length, D width, E text width, V items + 1, N vectors or labels,
X experts.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import PADDING, ItemSpace, Query, SequenceBatch
from models.blocks.dropout import dropout
from models.blocks.losses import (
    domain_softmax,
    draw_of_domains,
    look_up,
    sampled_domain_softmax,
)
from models.blocks.texts import standardised
from models.blocks.transformer import EncoderConfig, SequenceEncoder, last_state, trim
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class UniSRecConfig:
    space: ItemSpace
    text_width: int
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    num_experts: int = 8
    adaptor_dropout: float = 0.2  # on the texts, before the experts
    temperature: float = 0.07
    inductive: bool = False  # True: texts alone, no id vectors
    num_negatives: int | None = 512  # None: the whole domain
    # Of the contrast between a sequence and its augmented self, which costs a second pass of
    # the encoder; the paper pre-trains with 1e-3 and fine-tunes without.
    contrast_weight: float = 0.0
    item_drop: float = 0.2  # share of items that an augmented sequence loses


class WhiteningMixture(nn.Module):
    """sum over experts of share_x * W_x (text - b_x), with a noisy softmax gate."""

    def __init__(self, text_width: int, width: int, num_experts: int, dropout: float):
        super().__init__()
        self.num_experts, self.dropout = num_experts, dropout
        self.expert = nn.Linear(text_width, num_experts * width, bias=False)
        self.shift_XE = nn.Parameter(torch.zeros(num_experts, text_width))
        self.gate = nn.Linear(text_width, num_experts, bias=False)
        self.gate_noise = nn.Linear(text_width, num_experts, bias=False)

    def forward(self, text_NE: Tensor) -> Tensor:
        """[N, E] -> [N, D]; gates are noisy in training only."""
        dropped_NE = dropout(text_NE, self.dropout, self.training)
        answer_NXD = self.expert(dropped_NE).unflatten(1, (self.num_experts, -1))
        weight_XDE = self.expert.weight.unflatten(0, (self.num_experts, -1))
        # W (text - b) = W text - W b, and W b is the same for all texts.
        answer_NXD = answer_NXD - torch.einsum("xde,xe->xd", weight_XDE, self.shift_XE)
        return torch.einsum("nx,nxd->nd", self._shares(text_NE), answer_NXD)

    def _shares(self, text_NE: Tensor) -> Tensor:
        """[N, X], each row a distribution."""
        logits_NX = self.gate(text_NE)
        if self.training:
            deviation_NX = F.softplus(self.gate_noise(text_NE)) + 0.01
            logits_NX = logits_NX + torch.randn_like(logits_NX) * deviation_NX
        return logits_NX.softmax(dim=1)


class UniSRec(nn.Module):
    """`text_VE` holds a row for each id, that of padding ignored; it is data, not a weight, and
    must be given again when stored weights are loaded. Raises ValueError on another shape.
    """

    text_VE: Tensor

    def __init__(self, config: UniSRecConfig, text_VE: Tensor):
        super().__init__()
        self.config = config
        width, num_rows = config.encoder.width, config.space.num_items + 1
        if text_VE.shape != (num_rows, config.text_width):
            raise ValueError(
                f"text vectors have shape {tuple(text_VE.shape)}, need "
                f"({num_rows}, {config.text_width}): one row for each item and one for padding"
            )
        self.register_buffer(
            "text_VE", standardised(text_VE, config.space).text_VE, persistent=False
        )
        self.adaptor = WhiteningMixture(
            config.text_width, width, config.num_experts, config.adaptor_dropout
        )
        self.item = None
        if not config.inductive:
            self.item = nn.Embedding(num_rows, width, padding_idx=PADDING)
        self.encoder = SequenceEncoder(config.encoder)
        init_weights(self)

    def item_vectors(self, ids: Tensor) -> Tensor:
        """Adapted text, plus the id vector in the transductive form; ids [N] -> [N, D]."""
        adapted_ND = self.adaptor(self.text_VE[ids])
        return adapted_ND if self.item is None else adapted_ND + self.item(ids)

    def each_once(self, ids: Tensor) -> Tensor:
        """`item_vectors` of ids of any shape [...], [..., D]; equal ids are adapted but once."""
        unique_N, place = ids.unique(return_inverse=True)
        return self.item_vectors(unique_N)[place]

    def forward(self, items_BL: Tensor) -> Tensor:
        """A state for each position, [B, L, D], of histories already trimmed."""
        return self.encoder(self.each_once(items_BL), items_BL != PADDING)

    def loss(self, batch: SequenceBatch) -> Losses:
        """Every position but the last predicts the item that follows it."""
        config = self.config
        items_BL = trim(batch.items_BL, config.encoder.max_length + 1)
        # One pass of the adaptor for histories, labels and negatives together.
        negative_SM = draw_of_domains(config.space, config.num_negatives or 0, items_BL.device)
        item_BLD, negative_SMD = look_up(self.each_once, items_BL, negative_SM)
        asked_BL = items_BL[:, :-1] != PADDING
        states_BLD = self.encoder(item_BLD[:, :-1], asked_BL)
        state_ND, label_N = self._direction(states_BLD[asked_BL]), items_BL[:, 1:][asked_BL]
        if config.num_negatives is None:
            loss = domain_softmax(state_ND, label_N, self._unit_vectors, config.space, None)
        else:
            loss = sampled_domain_softmax(
                state_ND,
                label_N,
                F.normalize(item_BLD[:, 1:][asked_BL], dim=-1),
                negative_SM,
                F.normalize(negative_SMD, dim=-1),
                config.space,
            )
        losses = {"next_item": loss}
        if config.contrast_weight:
            contrast = self._contrast(items_BL, item_BLD, states_BLD)
            losses["contrast"] = config.contrast_weight * contrast
        return losses

    def _contrast(self, items_BL: Tensor, item_BLD: Tensor, states_BLD: Tensor) -> Tensor:
        """Each sequence against the augmented ones of its batch, by their last states."""
        asked_BL = items_BL[:, :-1] != PADDING
        rows = asked_BL.any(dim=1).nonzero().squeeze(1)
        if len(rows) == 0:
            return states_BLD.sum()
        dropped_BLD, kept_BL = drop_items(
            item_BLD[rows, :-1], asked_BL[rows], self.config.item_drop
        )
        return same_sequence_loss(
            self._direction(last_state(states_BLD[rows])),
            F.normalize(last_state(self.encoder(dropped_BLD, kept_BL)), dim=-1),
            items_BL[rows, -1],
        )

    def _direction(self, state_ND: Tensor) -> Tensor:
        """States whose dot product with a unit vector is a logit: cosine / temperature."""
        return F.normalize(state_ND, dim=-1) / self.config.temperature

    def _unit_vectors(self, ids: Tensor) -> Tensor:
        return F.normalize(self.item_vectors(ids), dim=-1)

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V], cosines over the temperature; an empty history scores every item zero.

        All items pass the adaptor once a call, which a batch of cases shares.
        """
        history_BL = trim(query.history_BL, self.config.encoder.max_length)
        table_VD = self._unit_vectors(torch.arange(len(self.text_VE), device=history_BL.device))
        return self._direction(last_state(self(history_BL))) @ table_VD.T


def drop_items(x_BLD: Tensor, valid_BL: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Sequences without a random share of their items, padded on the left again, and where they
    are valid. The newest item always stays, so that no sequence becomes empty."""
    kept_BL = valid_BL & (torch.rand(valid_BL.shape, device=valid_BL.device) >= share)
    kept_BL = torch.cat([kept_BL[:, :-1], valid_BL[:, -1:]], dim=1)
    order_BL = kept_BL.to(torch.uint8).argsort(dim=1, stable=True)
    moved_BLD = x_BLD.gather(1, order_BL.unsqueeze(-1).expand_as(x_BLD))
    return moved_BLD, kept_BL.gather(1, order_BL)


def same_sequence_loss(logit_ND: Tensor, other_ND: Tensor, label_N: Tensor) -> Tensor:
    """InfoNCE of row i against row i of `other_ND`, the other rows being negatives; a scalar.

    `logit_ND` is scaled so that the dot product is a logit. Rows of the same label are no
    negatives of each other.
    """
    same_NN = label_N.unsqueeze(1) == label_N
    same_NN = same_NN & ~torch.eye(len(label_N), dtype=torch.bool, device=label_N.device)
    logits_NN = (logit_ND @ other_ND.T).masked_fill(same_NN, -torch.inf)
    return F.cross_entropy(logits_NN, torch.arange(len(label_N), device=label_N.device))


def init_weights(model: UniSRec) -> None:
    """Every initial value but those of the encoder, which sets its own.

    | parameter             | value                         |
    |-----------------------|-------------------------------|
    | item ids              | normal, std 0.02; padding zero|
    | experts               | normal, std 0.02              |
    | shifts, gates, noise  | zero: all experts count alike |
    """
    nn.init.normal_(model.adaptor.expert.weight, std=0.02)
    nn.init.zeros_(model.adaptor.gate.weight)
    nn.init.zeros_(model.adaptor.gate_noise.weight)
    if model.item is not None:
        nn.init.normal_(model.item.weight, std=0.02)
        with torch.no_grad():
            model.item.weight[PADDING] = 0
