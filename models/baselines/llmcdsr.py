"""LLMCDSR: SASRec, trained on histories that an LLM's guesses of the other domain are put into.

Xin et al., "LLMCDSR", TOIS 2025; where the paper is silent, its released code
(xhran2010/LLMCDSR). An LLM writes titles that a single-domain user might want in the other
domain; they become pseudo items (models/baselines/llmcdsr_titles.py), which are inputs alone and
never labels. How a user's titles are pooled is learned by a meta step: pool such that a training
step on the augmented histories makes overlap users' next items likelier. Cold users are scored
by their real items alone, as in the released code.

Departs from the paper:
- Pre-training (next item and 0.1 * contrast of texts and items, in each domain) is no stage of
  its own: its contrast is a loss beside the next item, on the recommender's own item table, whose
  vectors pseudo items are then searched among. That table starts at the projected texts: from
  a random start, what titles retrieve is still random after an epoch.
- A meta step comes with every few steps only (pipeline/train/presets/runs.py), since it costs
  about as much as the rest of a step. Its look-ahead is plain gradient descent instead of
  Adam, of the encoder alone, on the augmented histories alone: item vectors and original
  histories would only move the point at which the overlap users are asked.
- Sampled softmax within the label's domain instead of the binary loss with one negative, as for
  SASRec here.

Shapes: B batch, L history length, T titles of a user, E text width, D width, K pseudo items of a
user, V items + 1, N labels.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from models.baselines.llmcdsr_titles import TitleProjector, insertion_order
from models.batch import PADDING, ItemSpace, Query
from models.blocks.losses import ItemVectors, domain_softmax
from models.blocks.transformer import EncoderConfig, SequenceEncoder, last_state, trim
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class LLMCDSRConfig:
    space: ItemSpace
    text_width: int
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    num_negatives: int = 512  # drawn in the label's own domain
    num_pseudo_items: int = 10  # of a user; a smaller domain gives all it has
    contrast_weight: float = 0.1
    contrast_items: int = 128  # of each domain, a step
    # Of the look-ahead. Plain descent at 0.1 moves weights about as far as Adam at 0.001 does.
    lookahead_rate: float = 0.1


class TitledUsers(NamedTuple):
    """Single-domain users for whom titles were generated."""

    items_BL: Tensor  # int64, real items
    title_BTE: Tensor  # float32, text vectors of the titles
    valid_BT: Tensor  # bool, False on padding
    domain_B: Tensor  # int64, the titles' domain


class LLMCDSRBatch(NamedTuple):
    items_BL: Tensor  # int64, whole training sequences
    titled: TitledUsers
    overlap_BL: Tensor | None  # int64, whole sequences of overlap users; None: no meta step


class _Augmented(NamedTuple):
    """Histories with pseudo items among them."""

    items_BL: Tensor  # left-padded, at most max_length + 1
    label_BL: Tensor  # the same without pseudo items
    order_BL: Tensor  # which of [pseudo items; real items] stands there


class LLMCDSR(nn.Module):
    def __init__(self, config: LLMCDSRConfig, text_VE: Tensor):
        """`text_VE`: the items' text vectors; the row of padding is ignored."""
        super().__init__()
        self.config = config
        width = config.encoder.width
        self.item = nn.Embedding(config.space.num_items + 1, width, padding_idx=PADDING)
        self.encoder = SequenceEncoder(config.encoder)
        self.titles = TitleProjector(config.space, config.text_width, width, text_VE)
        init_weights(self)

    def loss(self, batch: LLMCDSRBatch) -> Losses:
        """`meta`, of batches with overlap users, reaches the poolers alone; nothing else does."""
        titled, count = batch.titled, self._num_pseudo_items()
        pooled_BD = self.titles.pooled(titled.title_BTE, titled.valid_BT, titled.domain_B)
        pseudo_BK = self.titles.nearest(pooled_BD, titled.domain_B, self.item.weight, count)
        augmented = self._insert(pseudo_BK, titled.items_BL)
        contrast = self.titles.contrast(self.item, self.config.contrast_items)
        losses = {
            "next_item": self._next_item(batch.items_BL, augmented),
            "contrast": self.config.contrast_weight * contrast,
        }
        if batch.overlap_BL is not None:
            pseudo_BKD = self._through(pseudo_BK, pooled_BD)
            losses["meta"] = self._meta(pseudo_BKD, titled.items_BL, augmented, batch.overlap_BL)
        return losses

    def _num_pseudo_items(self) -> int:
        return min(self.config.num_pseudo_items, *self.config.space.sizes)

    def _insert(self, pseudo_BK: Tensor, real_BL: Tensor) -> _Augmented:
        order_BL = insertion_order(real_BL, pseudo_BK.shape[1])
        order_BL = order_BL[:, -self.config.encoder.max_length - 1 :]
        items_BL = torch.cat([pseudo_BK, real_BL], dim=1).gather(1, order_BL)
        label_BL = items_BL.masked_fill(order_BL < pseudo_BK.shape[1], PADDING)
        return _Augmented(items_BL, label_BL, order_BL)

    def _next_item(self, original_BL: Tensor, augmented: _Augmented) -> Tensor:
        """Mean over the real items of both kinds of sequences."""
        original_BL = trim(original_BL, self.config.encoder.max_length + 1)
        items_BL = _stack(original_BL, augmented.items_BL)
        label_BL = _stack(original_BL, augmented.label_BL)
        state_BLD = self.encoder(self.item(items_BL[:, :-1]), items_BL[:, :-1] != PADDING)
        return self._ranking(state_BLD, items_BL[:, :-1], label_BL[:, 1:], self.item)

    def _ranking(
        self, state_BLD: Tensor, history_BL: Tensor, label_BL: Tensor, vectors: ItemVectors
    ) -> Tensor:
        asked_BL = (history_BL != PADDING) & (label_BL != PADDING)
        config = self.config
        return domain_softmax(
            state_BLD[asked_BL], label_BL[asked_BL], vectors, config.space, config.num_negatives
        )

    def _meta(
        self,
        pseudo_BKD: Tensor,
        real_BL: Tensor,
        augmented: _Augmented,
        overlap_BL: Tensor,
    ) -> Tensor:
        """Next-item loss of overlap users after one step on the augmented histories; a scalar."""
        weights = {name: weight.detach() for name, weight in self.encoder.named_parameters()}
        weights = {name: weight.requires_grad_() for name, weight in weights.items()}
        both_BLD = torch.cat([pseudo_BKD, self._frozen(real_BL)], dim=1)
        index_BL1 = augmented.order_BL[:, :-1].unsqueeze(-1)
        x_BLD = both_BLD.gather(1, index_BL1.expand(-1, -1, both_BLD.shape[2]))
        history_BL = augmented.items_BL[:, :-1]
        with sdpa_kernel(SDPBackend.MATH):  # the only attention with a second derivative
            state = functional_call(self.encoder, weights, (x_BLD, history_BL != PADDING))
            first = self._ranking(state, history_BL, augmented.label_BL[:, 1:], self._frozen)
            grads = torch.autograd.grad(first, list(weights.values()), create_graph=True)
        rate = self.config.lookahead_rate
        ahead = {
            name: weight.detach() - rate * grad
            for (name, weight), grad in zip(weights.items(), grads, strict=True)
        }
        overlap_BL = trim(overlap_BL, self.config.encoder.max_length + 1)
        history_BL = overlap_BL[:, :-1]
        valid_BL = history_BL != PADDING
        state = functional_call(self.encoder, ahead, (self._frozen(history_BL), valid_BL))
        return self._ranking(state, history_BL, overlap_BL[:, 1:], self._frozen)

    def _through(self, pseudo_BK: Tensor, pooled_BD: Tensor) -> Tensor:
        """Vectors of the pseudo items, [B, K, D], whose gradient goes straight through to the
        pooled titles that retrieved them: its mean over a user's K items."""
        through_BD = (pooled_BD - pooled_BD.detach()) / pseudo_BK.shape[1]
        return self._frozen(pseudo_BK) + through_BD.unsqueeze(1)

    def _frozen(self, ids: Tensor) -> Tensor:
        """Item vectors that no gradient reaches."""
        return F.embedding(ids, self.item.weight.detach())

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V]; an empty history scores every item zero."""
        history_BL = trim(query.history_BL, self.config.encoder.max_length)
        state_BLD = self.encoder(self.item(history_BL), history_BL != PADDING)
        return last_state(state_BLD) @ self.item.weight.T


def _stack(first_BL: Tensor, second_BL: Tensor) -> Tensor:
    """Both batches below each other, the shorter one padded on the left."""
    length = max(first_BL.shape[1], second_BL.shape[1])
    padded = [F.pad(items, (length - items.shape[1], 0)) for items in (first_BL, second_BL)]
    return torch.cat(padded)


def init_weights(model: LLMCDSR) -> None:
    """Items: their projected texts at std 0.02, padding zero. The parts set their own.

    Where all texts are the same, their items start at zero.
    """
    start_VD = model.titles.projected_texts()
    with torch.no_grad():
        model.item.weight.copy_(0.02 * start_VD / start_VD.std().clamp_min(1e-6))
