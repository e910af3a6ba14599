"""Tri-CDR: source, target and mixed sequence, each attended to from the target's view.

Ma et al., "Triple Sequence Learning for Cross-domain Recommendation", TOIS 2024, and its
released code. Of a label, "target" is its own domain and "source" the others; the next item is
asked from three vectors: what the target's newest state attends to in each of the sequences.
Two more terms draw the three together and keep the source nearer to the mixed sequence than to
the target's.

A cold user has no target sequence: the mixed state asks in its place, and the target's vector is
zero, as it is in training wherever a user enters a domain.

Departs from the paper, besides what `models/blocks/transformer.py` says:
- The three encoders are trained together from the start, not each in advance.
- Every position is a label, of whichever domain, by one model; the paper has one for each
  direction. Encoder and items of a domain are therefore its source encoder and its target one.
- Sampled softmax within the label's domain; the paper's binary loss is `objective="bce"`.
- The two more terms are of users with items of several domains alone; the paper has no others.
- Width, length and dropout are those of the other baselines here; no decay of the learning rate.

Shapes: B batch, L history length, M valid positions, packed row by row, D width, V items + 1,
N asked positions, P pairs of an asked position and an item up to it, G groups of pairs, R users
of several domains, S domains; of negative_SM, M counts negatives.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import PADDING, ItemSpace, Query, SequenceBatch
from models.blocks.din_attention import DINAttention, Pairs
from models.blocks.losses import (
    domain_bce,
    domain_softmax,
    draw_of_domains,
    look_up,
    sampled_domain_softmax,
)
from models.blocks.single_domain import (
    SingleDomainEncoders,
    domain_of,
    newest_of_domain,
    packed_index,
    unpacked,
)
from models.blocks.transformer import EncoderConfig, SequenceEncoder, trim
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class TriCDRConfig:
    space: ItemSpace
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    attention_widths: tuple[int, int] = (80, 40)  # hidden layers of the attention's MLP
    objective: Literal["sampled_softmax", "full_softmax", "bce"] = "sampled_softmax"
    num_negatives: int = 512  # of sampled_softmax, drawn in the label's own domain
    scale: float = 5.0  # of the cosine between state and item
    contrast: float = 0.1  # weight; this one, triplet and margin as published for Game -> Toy
    triplet: float = 10.0  # weight
    margin: float = 4.0  # of the triplet term
    temperature: float = 0.1  # of the contrastive term


class Triple(NamedTuple):
    """What each asked position finds in the three sequences up to it."""

    mixed_ND: Tensor
    source_ND: Tensor  # zero where nothing of another domain has come yet
    target_ND: Tensor  # zero where nothing of the asked domain has come yet
    complete_N: Tensor  # bool: neither is


class TriCDR(nn.Module):
    def __init__(self, config: TriCDRConfig):
        super().__init__()
        self.config = config
        num_columns, width = config.space.num_items + 1, config.encoder.width
        self.mixed_items = nn.Embedding(num_columns, width, padding_idx=PADDING)
        # The rows of each domain are that domain's own table; candidates are read from it too.
        self.single_items = nn.Embedding(num_columns, width, padding_idx=PADDING)
        self.mixed = SequenceEncoder(config.encoder)
        self.single = SingleDomainEncoders(config.encoder, config.space)
        self.attention = DINAttention(width, config.attention_widths)
        self.fuse = nn.Sequential(
            nn.Linear(3 * width, width), nn.LeakyReLU(), nn.Linear(width, width)
        )
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
            for _ in range(3)
        )
        init_weights(self)

    def loss(self, batch: SequenceBatch) -> Losses:
        """Every position but the last predicts the item that follows it."""
        items_BL = trim(batch.items_BL, self.config.encoder.max_length + 1)
        history_BL, label_BL = items_BL[:, :-1], items_BL[:, 1:]
        asked_BL = history_BL != PADDING
        domain_BL = domain_of(label_BL, self.config.space)
        label_N = label_BL[asked_BL]
        if self.config.objective == "sampled_softmax":
            negative_SM = draw_of_domains(
                self.config.space, self.config.num_negatives, label_N.device
            )
            x_MD, *found = look_up(self.single_items, history_BL[asked_BL], label_N, negative_SM)
            triple = self._read(history_BL, x_MD, domain_BL, asked_BL)
            label_ND, negative_SMD = (F.normalize(vectors, dim=-1) for vectors in found)
            next_item = sampled_domain_softmax(
                self._state(triple), label_N, label_ND, negative_SM, negative_SMD, self.config.space
            )
        else:
            x_MD = self.single_items(history_BL[asked_BL])
            triple = self._read(history_BL, x_MD, domain_BL, asked_BL)
            next_item = self._next_item(self._state(triple), label_N)
        newest_N = asked_BL.nonzero()[:, 1] == history_BL.shape[1] - 1
        return {"next_item": next_item, **self._contrast(triple, newest_N)}

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V], cosines times `scale`; an empty history scores every item zero."""
        history_BL = trim(query.history_BL, self.config.encoder.max_length)
        asked_BL = history_BL != PADDING
        asked_BL[:, :-1] = False
        domain_BL = query.domain_B.unsqueeze(1).expand_as(history_BL)
        x_MD = self.single_items(history_BL[history_BL != PADDING])
        triple = self._read(history_BL, x_MD, domain_BL, asked_BL)
        scores_NV = self._state(triple) @ F.normalize(self.single_items.weight, dim=-1).T
        scores_BV = scores_NV.new_zeros(len(history_BL), scores_NV.shape[1])
        return scores_BV.index_copy(0, asked_BL[:, -1].nonzero()[:, 0], scores_NV)

    def _read(self, items_BL: Tensor, x_MD: Tensor, domain_BL: Tensor, asked_BL: Tensor) -> Triple:
        """Reads all asked positions (none of them padding) at once.

        `x_MD` are the items' packed vectors of their own domains' tables, `domain_BL` is each
        position's target domain.
        """
        space, valid_BL = self.config.space, items_BL != PADDING
        mixed_BLD = unpacked(self.mixed_items(items_BL[valid_BL]), valid_BL)
        mixed_MD = self.mixed(mixed_BLD, valid_BL)[valid_BL]
        fact_MD = torch.cat([mixed_MD, self.single(x_MD, items_BL)])
        # The target's newest state, or the mixed one at the position itself.
        newest_N = newest_of_domain(items_BL, domain_BL, space)[asked_BL]
        own_place_N = packed_index(items_BL)[asked_BL]
        asking_N = torch.where(newest_N >= 0, newest_N + len(mixed_MD), own_place_N)

        pairs = triple_pairs(items_BL, domain_BL, asked_BL, space)
        mixed_P = pairs.group_P < len(asking_N)
        context_ND = group_mean(
            fact_MD[pairs.fact_P[mixed_P]], pairs.group_P[mixed_P], len(asking_N)
        )
        found_GD = self.attention(fact_MD[asking_N], context_ND, fact_MD, pairs)
        has_G = pairs.group_P.bincount(minlength=pairs.num_groups) > 0
        _, has_source_N, has_target_N = has_G.chunk(3)
        mixed_ND, source_ND, target_ND = found_GD.chunk(3)
        return Triple(mixed_ND, source_ND, target_ND, has_source_N & has_target_N)

    def _state(self, triple: Triple) -> Tensor:
        """[N, D], each of length `scale`."""
        state_ND = self.fuse(torch.cat([triple.mixed_ND, triple.source_ND, triple.target_ND], 1))
        return self.config.scale * F.normalize(state_ND, dim=-1)

    def _next_item(self, state_ND: Tensor, label_N: Tensor) -> Tensor:
        space = self.config.space
        if self.config.objective == "bce":
            return domain_bce(state_ND, label_N, self._unit_items, space)
        return domain_softmax(state_ND, label_N, self._unit_items, space, None)

    def _unit_items(self, ids: Tensor) -> Tensor:
        return F.normalize(self.single_items(ids), dim=-1)

    def _contrast(self, triple: Triple, newest_N: Tensor) -> Losses:
        """NT-Xent of the three pairs, and the triplet margin, at each user's newest position."""
        chosen_N = newest_N & triple.complete_N
        mixed_RD, source_RD, target_RD = (
            head(vectors_ND[chosen_N])
            for head, vectors_ND in zip(self.heads, triple[:3], strict=True)
        )
        ends = (mixed_RD, source_RD), (mixed_RD, target_RD), (source_RD, target_RD)
        pairs = [nt_xent(*pair, self.config.temperature) for pair in ends]
        triplet_R = F.triplet_margin_loss(
            source_RD, mixed_RD, target_RD, margin=self.config.margin, reduction="none"
        )
        return {
            "contrast": self.config.contrast * torch.stack(pairs).mean(),
            "triplet": self.config.triplet * triplet_R.sum() / max(len(triplet_R), 1),
        }


def triple_pairs(items_BL: Tensor, domain_BL: Tensor, asked_BL: Tensor, space: ItemSpace) -> Pairs:
    """Each asked position with the items up to it, once as mixed and once as source or target.

    Facts are the M packed states of the mixed sequences, then the M of the single domains. Of
    3 N groups the first N are the mixed sequences, then the sources, then the targets.
    """
    valid_BL = items_BL != PADDING
    row_N, position_N = asked_BL.nonzero(as_tuple=True)
    place_L = torch.arange(items_BL.shape[1], device=items_BL.device)
    before_NL = valid_BL[row_N] & (place_L <= position_N.unsqueeze(1))
    asked_P, place_P = before_NL.nonzero(as_tuple=True)
    fact_P = packed_index(items_BL)[row_N[asked_P], place_P]
    own_P = domain_of(items_BL[valid_BL], space)[fact_P] == domain_BL[asked_BL][asked_P]
    return Pairs(
        query_P=asked_P.repeat(2),
        fact_P=torch.cat([fact_P, fact_P + int(valid_BL.sum())]),
        group_P=torch.cat([asked_P, asked_P + len(row_N) * (1 + own_P.long())]),
        num_groups=3 * len(row_N),
    )


def group_mean(x_PD: Tensor, group_P: Tensor, num_groups: int) -> Tensor:
    """[G, D]; every group has a member."""
    sum_GD = x_PD.new_zeros(num_groups, x_PD.shape[1]).index_add(0, group_P, x_PD)
    return sum_GD / group_P.bincount(minlength=num_groups).unsqueeze(1)


def nt_xent(a_RD: Tensor, b_RD: Tensor, temperature: float) -> Tensor:
    """Chen et al., "SimCLR", 2020: each of the 2 R vectors must find its partner, by cosine.

    A scalar, the mean over all; no vectors at all give zero.
    """
    both = F.normalize(torch.cat([a_RD, b_RD]), dim=-1)
    logits = (both @ both.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(len(both), device=both.device).roll(len(a_RD))
    return F.cross_entropy(logits, partner, reduction="sum") / max(len(both), 1)


def init_weights(model: TriCDR) -> None:
    """Items: normal, std 0.02, padding zero. Linear layers: Xavier normal, no bias.

    Encoders set their own, which is the same.
    """
    for table in (model.mixed_items, model.single_items):
        nn.init.normal_(table.weight, std=0.02)
        with torch.no_grad():
            table.weight[PADDING] = 0
    for part in (model.attention, model.fuse, model.heads):
        for module in part.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
