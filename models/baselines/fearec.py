"""FEARec: the next item by attention in time and in frequency, with contrasted views.

Du et al., "Frequency Enhanced Hybrid Attention Network for Sequential Recommendation", SIGIR
2023; where the paper is silent, its released code. One table holds the items of all domains.

Only the newest position is asked: rolling and filtering mix later items into earlier positions,
so that every other state has already seen the item that follows it. The paper therefore makes a
case of every prefix of a sequence; here a step draws as many prefixes as it has sequences.

Departs from the paper: padding is zero in queries, keys and values, so that an answer does not
depend on the positions of items that are not there; positions count from the end; attention
weights are not dropped out; in training the histories of like length, instead of a whole batch,
choose their delays together; a view's partner of the same label comes from the same batch and
has no pass of its own (`same_label`); the default loss is a sampled softmax within the label's
domain.

Shapes: B batch, L history length, D width, V items + 1, C cases, E views (2C), F frequencies.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.baselines.fearec_block import HybridBlock, HybridConfig, Packing
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

_GROUP_BOUNDS = (8, 20)  # lengths up to which histories are encoded together


@dataclass(frozen=True, kw_only=True)
class FEARecConfig:
    space: ItemSpace
    hybrid: HybridConfig = field(default_factory=HybridConfig)
    cut: Literal["last", "random"] = "random"  # which item of a sequence is its label
    objective: Literal["sampled_softmax", "full_softmax"] = "sampled_softmax"
    num_negatives: int = 512  # of sampled_softmax, drawn in the label's own domain
    contrast_weight: float = 0.1
    temperature: float = 1.0  # of the contrast
    frequency_weight: float = 0.1


class FEARec(nn.Module):
    def __init__(self, config: FEARecConfig):
        super().__init__()
        self.config = config
        hybrid = config.hybrid
        self.item = nn.Embedding(config.space.num_items + 1, hybrid.width, padding_idx=PADDING)
        self.position = nn.Parameter(torch.empty(hybrid.max_length, hybrid.width))
        self.norm = nn.LayerNorm(hybrid.width)
        self.blocks = nn.ModuleList(HybridBlock(hybrid, i) for i in range(hybrid.num_blocks))
        init_weights(self)

    def forward(self, x_BLD: Tensor, valid_BL: Tensor) -> Tensor:
        """The state after the newest item, [B, D], of item vectors of histories already trimmed.

        `valid_BL` (bool) is False exactly on the left padding. Zeros for an empty history.
        """
        hybrid, length = self.config.hybrid, x_BLD.shape[1]
        x_BLD = x_BLD + self.position[hybrid.max_length - length :]
        groups = like_lengths(valid_BL.sum(dim=1))
        states = [
            self._encode(x_BLD[rows, -longest:], valid_BL[rows, -longest:])
            for rows, longest in groups
        ]
        order_B = torch.cat([rows for rows, _ in groups]).argsort()
        return torch.cat(states)[order_B]

    def _encode(self, x_BLD: Tensor, valid_BL: Tensor) -> Tensor:
        packing, rate = Packing.of(valid_BL), self.config.hybrid.dropout
        x_ND = dropout(self.norm(packing.pack(x_BLD)), rate, self.training)
        for block in self.blocks[:-1]:
            x_ND = block(x_ND, packing, newest_only=False)
        state_BD = self.blocks[-1](x_ND, packing, newest_only=True)
        return state_BD * valid_BL[:, -1:]

    def loss(self, batch: SequenceBatch) -> Losses:
        """The label of each case from its prefix, and two views of each case against all others.

        Without a single case there is but one term, zero.
        """
        config = self.config
        items_BL = trim(batch.items_BL, config.hybrid.max_length + 1)
        history_CL, label_C = draw_cases(items_BL, config.cut)
        if len(label_C) == 0:
            return {"next_item": self.position.sum() * 0}
        history_CL = trim(history_CL, config.hybrid.max_length)
        if config.objective == "full_softmax":
            first_CD, second_CD = self._views(self.item(history_CL), history_CL)
            next_item = domain_softmax(first_CD, label_C, self.item, config.space, None)
        else:
            negative_SM = draw_of_domains(config.space, config.num_negatives, label_C.device)
            x_CLD, label_CD, negative_SMD = look_up(self.item, history_CL, label_C, negative_SM)
            first_CD, second_CD = self._views(x_CLD, history_CL)
            next_item = sampled_domain_softmax(
                first_CD, label_C, label_CD, negative_SM, negative_SMD, config.space
            )
        return {"next_item": next_item, **self._alignment(first_CD, second_CD, label_C)}

    def _views(self, x_CLD: Tensor, history_CL: Tensor) -> tuple[Tensor, Tensor]:
        """States [C, D] under two dropout masks; without a term that compares them, one twice."""
        valid_CL = history_CL != PADDING
        if self.config.contrast_weight == 0 and self.config.frequency_weight == 0:
            state_CD = self(x_CLD, valid_CL)
            return state_CD, state_CD
        first_CD, second_CD = self(x_CLD.repeat(2, 1, 1), valid_CL.repeat(2, 1)).chunk(2)
        return first_CD, second_CD

    def _alignment(self, first_CD: Tensor, second_CD: Tensor, label_C: Tensor) -> Losses:
        """The terms that bring the second view of a case near a first one with its label."""
        config, other_CD, terms = self.config, first_CD[same_label(label_C)], {}
        if config.contrast_weight > 0:
            distance = contrast(second_CD, other_CD, config.temperature)
            terms["contrast"] = config.contrast_weight * distance
        if config.frequency_weight > 0:
            terms["frequency"] = config.frequency_weight * frequency_gap(second_CD, other_CD)
        return terms

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V]; an empty history scores every item zero."""
        history_BL = trim(query.history_BL, self.config.hybrid.max_length)
        return self(self.item(history_BL), history_BL != PADDING) @ self.item.weight.T


def like_lengths(length_B: Tensor) -> list[tuple[Tensor, int]]:
    """Rows of about the same length, and the columns that they need, at least one.

    Most histories are short and a few long: padded to the longest of all, attention would cost
    more than everything else together.
    """
    longest = max(int(length_B.max()), 1)
    bounds = [-1, *(bound for bound in _GROUP_BOUNDS if bound < longest), longest]
    groups = []
    for shorter, bound in pairwise(bounds):
        rows = ((length_B > shorter) & (length_B <= bound)).nonzero()[:, 0]
        if len(rows) > 0:
            groups.append((rows, bound))
    return groups


def draw_cases(items_BL: Tensor, cut: Literal["last", "random"]) -> tuple[Tensor, Tensor]:
    """Prefixes [C, L - 1], left-padded, and the item after each [C].

    "last": the whole of each sequence but its last item. "random": out of all prefixes of the
    batch, drawn without replacement from torch's global generator, as many as it has sequences
    with a label; long sequences give more of them, as they have more.
    """
    valid_BL = items_BL != PADDING
    is_label_BL = valid_BL.clone()
    is_label_BL[:, 1:] &= valid_BL[:, :-1]
    is_label_BL[:, 0] = False
    if cut == "last":
        is_label_BL[:, :-1] = False
    row, column = is_label_BL.nonzero().unbind(1)
    chosen_C = torch.randperm(len(row), device=row.device)[: int(is_label_BL[:, -1].sum())]
    row_C, column_C = row[chosen_C], column[chosen_C]
    position_L = torch.arange(items_BL.shape[1] - 1, device=row.device)
    source_CL = position_L + (column_C - len(position_L)).unsqueeze(1)
    history_CL = items_BL[row_C.unsqueeze(1), source_CL.clamp_min(0)]
    return history_CL.masked_fill(source_CL < 0, PADDING), items_BL[row_C, column_C]


def same_label(label_C: Tensor) -> Tensor:
    """For each case another one of the batch with its label, [C]; itself where there is none.

    The next one in order, round and round. The paper draws it from all training sequences; of
    many items most have no second case in a batch, and two dropout masks are all their contrast.
    """
    order_C = label_C.argsort(stable=True)
    sorted_C = label_C[order_C]
    first_C = torch.searchsorted(sorted_C, sorted_C)
    after_C = torch.searchsorted(sorted_C, sorted_C, right=True)
    place_C = torch.arange(len(label_C), device=label_C.device)
    next_C = torch.where(place_C + 1 < after_C, place_C + 1, first_C)
    return torch.empty_like(order_C).scatter(0, order_C, order_C[next_C])


def contrast(one_CD: Tensor, other_CD: Tensor, temperature: float) -> Tensor:
    """InfoNCE of dot products: each view knows its partner among all 2C - 1 others; a scalar.

    Where a case had no partner of its own label, `other` is the same prefix under another
    dropout mask: the paper's unsupervised pair. Views of one label that are no partners count
    as negatives, as in the released code.
    """
    views_ED = torch.cat([one_CD, other_CD])
    logits_EE = (views_ED @ views_ED.T / temperature).fill_diagonal_(-torch.inf)
    partner_E = torch.arange(len(views_ED), device=views_ED.device).roll(len(one_CD))
    return F.cross_entropy(logits_EE, partner_E)


def frequency_gap(one_CD: Tensor, other_CD: Tensor) -> Tensor:
    """Mean modulus of the difference of two views' spectra; a scalar.

    As in the released code the rFFT runs along the features of a state, not along time.
    """
    spectrum_CF = torch.fft.rfft(one_CD - other_CD, dim=1, norm="ortho")
    return spectrum_CF.abs().mean()


def init_weights(model: FEARec) -> None:
    """Items, positions, matrices: normal, std 0.02. Biases and the padding item: zero."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    nn.init.normal_(model.position, std=0.02)
    nn.init.normal_(model.item.weight, std=0.02)
    with torch.no_grad():
        model.item.weight[PADDING] = 0
