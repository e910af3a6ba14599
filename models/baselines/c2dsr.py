"""C2DSR: a shared and a domain-specific reading of mixed sequences, tied by mutual information.

Cao et al., "Contrastive Cross-Domain Sequential Recommendation", CIKM 2022, and its released
code. Items of mixed sequences and items of single domains have tables of their own, smoothed
over transition graphs; a shared encoder reads the mixed sequence, one encoder for each domain
the items of that domain. Scores are those of the sum of the shared and the specific state; the
shared one is also trained to do without the other. An infomax term makes the shared state at one
domain's items tell of the other domain's.

A cold user has no item of the target domain: the specific state is zero, and an item scores
its output vector times the shared state, for which the shared-only loss trains.

Departs from the paper, besides what `models/blocks/transformer.py` says:
- A label is asked from the position right before it, with the newest specific state of its
  domain, as the released code scores; in training it asks from the domain's own last position.
- Only users of both domains have an infomax term (the paper has no others), over all items of a
  domain in their histories.
- Sampled softmax within the label's domain (`num_negatives=None`: the paper's full one), over
  all positions, not the last ten; its mean is over labels of all domains. Output layers have
  no bias and no padding class.
- The graphs keep `num_successors` for each item; the convolution has no bias and no dropout.
- Width, length and dropout are those of the other baselines here, not 256, 15 and 0.2.

Shapes: B batch, R rows with items of several domains, L history length, D width, V items + 1,
O items of one domain in a row, N valid positions, packed row by row.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import PADDING, ItemSpace, Query, SequenceBatch
from models.blocks.losses import domain_softmax, draw_items
from models.blocks.single_domain import (
    SingleDomainEncoders,
    domain_of,
    left_padded,
    newest_of_domain,
    unpacked,
)
from models.blocks.transformer import EncoderConfig, SequenceEncoder, last_state, trim
from models.blocks.transitions import TransitionTable
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class C2DSRConfig:
    space: ItemSpace
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    num_successors: int = 20  # of each item in the transition graphs, the most frequent ones
    num_negatives: int | None = 512  # drawn in the label's own domain; None: the whole domain
    infomax: float = 0.3  # weight of the infomax terms; the next item weighs the rest

    def __post_init__(self) -> None:
        if not 0 <= self.infomax <= 1:
            raise ValueError(f"infomax={self.infomax} is no share; choose one in 0..1")


class C2DSR(nn.Module):
    def __init__(self, config: C2DSRConfig):
        super().__init__()
        self.config = config
        num_columns, width = config.space.num_items + 1, config.encoder.width
        self.shared_items = TransitionTable(num_columns, width, config.num_successors)
        # The rows of each domain are that domain's own table.
        self.specific_items = TransitionTable(num_columns, width, config.num_successors)
        self.output = nn.Embedding(num_columns, width, padding_idx=PADDING)
        self.shared = SequenceEncoder(config.encoder)
        self.specific = SingleDomainEncoders(config.encoder, config.space)
        self.discriminators = nn.ModuleList(
            nn.Bilinear(width, width, 1) for _ in config.space.sizes
        )
        init_weights(self)

    def count(self, batches: Iterable[SequenceBatch]) -> None:
        """Builds both graphs from all training sequences, in place of any counted before."""
        nothing = torch.zeros(0, dtype=torch.int64)
        mixed, within = [(nothing, nothing)], [(nothing, nothing)]
        for batch in batches:
            mixed.append(_transitions(batch.items_BL))
            for domain in range(len(self.config.space.sizes)):
                own_BL = self.config.space.contains(domain, batch.items_BL)
                own_RO, _ = left_padded(batch.items_BL[own_BL], own_BL)
                within.append(_transitions(own_RO))
        self.shared_items.set_graph(*(torch.cat(part) for part in zip(*mixed, strict=True)))
        self.specific_items.set_graph(*(torch.cat(part) for part in zip(*within, strict=True)))

    def loss(self, batch: SequenceBatch) -> Losses:
        """Next item from the shared state alone and from both; infomax of each domain."""
        space, infomax = self.config.space, self.config.infomax
        items_BL = trim(batch.items_BL, self.config.encoder.max_length + 1)
        history_BL, label_BL = items_BL[:, :-1], items_BL[:, 1:]
        asked_BL = history_BL != PADDING
        corrupted = [self._corrupted(history_BL, d) for d in range(len(space.sizes))]
        # One pass reads the true histories and the corrupted ones.
        sizes = [int((rows_BL != PADDING).sum()) for rows_BL in (history_BL, *corrupted)]
        shared_ND, *false = self._shared(torch.cat([history_BL, *corrupted])).split(sizes)
        specific_ND = self._specific(history_BL)
        newest_N = newest_of_domain(history_BL, domain_of(label_BL, space), space)[asked_BL]
        # Both in one call, against the same negatives; what it returns is the mean of the two.
        state_ND = torch.cat([shared_ND, shared_ND + _at(specific_ND, newest_N)])
        next_item = domain_softmax(
            state_ND, label_BL[asked_BL].repeat(2), self.output, space, self.config.num_negatives
        )
        terms = [
            self._infomax(domain, history_BL, shared_ND, false_ND, specific_ND)
            for domain, false_ND in enumerate(false)
        ]
        return {
            "next_item": 2 * (1 - infomax) * next_item,
            "infomax": infomax * torch.stack(terms).sum(),
        }

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V]; of a cold user by the shared state alone. An empty history scores zero."""
        history_BL = trim(query.history_BL, self.config.encoder.max_length)
        domain_BL = query.domain_B.unsqueeze(1).expand_as(history_BL)
        newest_BL = newest_of_domain(history_BL, domain_BL, self.config.space)
        specific_BD = _at(self._specific(history_BL), newest_BL[:, -1])
        shared_BLD = unpacked(self._shared(history_BL), history_BL != PADDING)
        return (last_state(shared_BLD) + specific_BD) @ self.output.weight.T

    def _shared(self, items_BL: Tensor) -> Tensor:
        """Packed states, [N, D]."""
        valid_BL = items_BL != PADDING
        x_BLD = unpacked(self.shared_items(items_BL[valid_BL]), valid_BL)
        return self.shared(x_BLD, valid_BL)[valid_BL]

    def _specific(self, items_BL: Tensor) -> Tensor:
        """Packed states, [N, D]."""
        return self.specific(self.specific_items(items_BL[items_BL != PADDING]), items_BL)

    def _corrupted(self, items_BL: Tensor, domain: int) -> Tensor:
        """Histories of this domain and others, its own items replaced by random ones: [R, L]."""
        space = self.config.space
        items_RL = items_BL[_shares_with_others(items_BL, domain, space)]
        random_RL = draw_items(space.ids(domain), tuple(items_RL.shape), items_RL.device, None)
        return torch.where(space.contains(domain, items_RL), random_RL, items_RL)

    def _infomax(
        self,
        domain: int,
        items_BL: Tensor,
        shared_ND: Tensor,
        false_ND: Tensor,
        specific_ND: Tensor,
    ) -> Tensor:
        """Does the shared state at the other domains' items tell of this domain's?

        Told apart from a shared state that has read random items of this domain in their
        place, given the mean of this domain's specific states. `false_ND` is packed for the R
        rows alone. Zero without any user of several domains.
        """
        rows_B = _shares_with_others(items_BL, domain, self.config.space)
        valid_BL = items_BL != PADDING
        own_BL = self.config.space.contains(domain, items_BL)
        other_BL = valid_BL & ~own_BL
        specific_RD = _means(specific_ND, own_BL, valid_BL)[rows_B]
        true_RD = _means(shared_ND, other_BL, valid_BL)[rows_B]
        false_RD = _means(false_ND, other_BL[rows_B], valid_BL[rows_B])
        discriminate = self.discriminators[domain]
        true_R1, wrong_R1 = (discriminate(specific_RD, x_RD) for x_RD in (true_RD, false_RD))
        loss_R1 = F.softplus(-true_R1) + F.softplus(wrong_R1)
        return loss_R1.sum() / max(len(loss_R1), 1)


def init_weights(model: C2DSR) -> None:
    """Output vectors: normal, std 0.02, padding zero. Bilinear forms: Xavier uniform, no bias.

    Item tables and encoders set their own.
    """
    nn.init.normal_(model.output.weight, std=0.02)
    with torch.no_grad():
        model.output.weight[PADDING] = 0
    for module in model.discriminators:
        assert isinstance(module, nn.Bilinear)
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def _transitions(items_BL: Tensor) -> tuple[Tensor, Tensor]:
    """All (item, next item) of left-padded rows."""
    before_BL, after_BL = items_BL[:, :-1], items_BL[:, 1:]
    return before_BL[before_BL != PADDING], after_BL[before_BL != PADDING]


def _shares_with_others(items_BL: Tensor, domain: int, space: ItemSpace) -> Tensor:
    """Which rows hold items of this domain and of another, [B] bool."""
    own_BL = space.contains(domain, items_BL)
    return own_BL.any(dim=1) & (~own_BL & (items_BL != PADDING)).any(dim=1)


def _means(states_ND: Tensor, chosen_BL: Tensor, valid_BL: Tensor) -> Tensor:
    """Mean of each row's packed states at its chosen positions, [B, D]; zero without any."""
    sum_BD = states_ND.new_zeros(len(chosen_BL), states_ND.shape[1])
    sum_BD = sum_BD.index_add(0, chosen_BL.nonzero()[:, 0], states_ND[chosen_BL[valid_BL]])
    return sum_BD / chosen_BL.sum(dim=1, keepdim=True).clamp(min=1)


def _at(states_ND: Tensor, index: Tensor) -> Tensor:
    """States of an index [...], [..., D]; zero at -1."""
    if len(states_ND) == 0:
        return states_ND.new_zeros(*index.shape, states_ND.shape[1])
    return states_ND[index.clamp(min=0)] * (index >= 0).unsqueeze(-1)
