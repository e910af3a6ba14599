"""UniCDR: a user is what is specific to a domain plus what all domains share.

Cao et al., "Towards Universal Cross-Domain Recommendation", 2023, in the form of its released
code for cold users (task dual-user-inter). Aggregators turn context items into vectors: a
domain's own one reads the user's items of that domain, the shared one those of all others; both
are summed and multiplied with item vectors. A bilinear discriminator tells a user's own shared
vector from another's, and random interactions are masked.

Departs from the paper: there are no tables of user ids. Cold users are in no training batch and
batches name no user, so that a user is the output of the aggregators alone (`lambda_a` = 0). A
cold user has no item of the target domain: the shared part carries. Every item of a sequence is
a positive once, with all other items of the sequence as context, where the code draws ten.
User-attention asks with the context's mean for want of an id; item-similarity weighs a context
item by its cosine with that mean, where the code precomputes EASE scores. The discriminator
sees users of several domains alone, since others have no shared vector. Masking hits the
specific and the shared input alike; item vectors are not dropped out. Aggregators start as the
identity and the default loss is a sampled softmax within the label's domain: the binary loss
(`objective="bce"`, ten negatives in the paper) trains more slowly.

Shapes: B batch, L history length, P users asked of a row, K domains, N labels, M negatives of
each label, D width, V items + 1.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import PADDING, ItemSpace, Query, SequenceBatch
from models.blocks.losses import domain_softmax, draw_items
from models.recommender import Losses

AggregatorKind = Literal["mean", "user_attention", "item_similarity"]


@dataclass(frozen=True, kw_only=True)
class UniCDRConfig:
    space: ItemSpace
    width: int = 64
    aggregator: AggregatorKind = "mean"
    dropout: float = 0.3  # on user vectors, and on attention
    masked: float = 0.1  # share of interactions that a training step does not see
    contrast: float = 0.6  # weight of the discriminator's loss; the ranking loss has the rest
    objective: Literal["sampled_softmax", "bce"] = "sampled_softmax"
    num_negatives: int = 256  # shared by the domain's labels; of each label apart under "bce"


class UniCDR(nn.Module):
    def __init__(self, config: UniCDRConfig):
        super().__init__()
        self.config = config
        domains = range(len(config.space.sizes))
        self.item = nn.Embedding(config.space.num_items + 1, config.width, padding_idx=PADDING)
        self.specific = nn.ModuleList(Aggregator(config) for _ in domains)
        self.shared = Aggregator(config)
        self.discriminator = nn.ModuleList(
            nn.Bilinear(config.width, config.width, 1) for _ in domains
        )
        nn.init.normal_(self.item.weight, std=0.1)
        with torch.no_grad():
            self.item.weight[PADDING] = 0

    def loss(self, batch: SequenceBatch) -> Losses:
        """Terms `next_item`, over all items, and `contrast`, over users of several domains."""
        items_BL, space = batch.items_BL, self.config.space
        x_BLD = self.item(items_BL)
        chance_BL = torch.rand(items_BL.shape, device=items_BL.device)
        seen_BL = (items_BL != PADDING) & (chance_BL >= self.config.masked)
        states, labels, contrasts = [], [], []
        for domain in range(len(space.sizes)):
            label_BL = space.contains(domain, items_BL)
            rows = label_BL.any(dim=1).nonzero().squeeze(1)
            item_BL, label_BL = items_BL[rows], label_BL[rows]
            own_BL, other_BL = seen_BL[rows] & label_BL, seen_BL[rows] & ~label_BL
            shared_BD = self._shared(x_BLD[rows], other_BL)
            contrasts.append(self._contrast(domain, x_BLD[rows], own_BL, other_BL, shared_BD))
            # A label's user never holds the label itself, nor a repeat of it.
            others_BLL = own_BL.unsqueeze(1) & (item_BL.unsqueeze(2) != item_BL.unsqueeze(1))
            specific_ND = self.specific[domain](x_BLD[rows], others_BLL, asked_BP=label_BL)
            states.append(self._dropped(specific_ND) + shared_BD[label_BL.nonzero()[:, 0]])
            labels.append(item_BL[label_BL])
        state_ND, label_N = torch.cat(states), torch.cat(labels)
        share = self.config.contrast
        return {
            "next_item": (1 - share) * self._ranking(state_ND, label_N),
            "contrast": share * torch.stack(contrasts).sum(),
        }

    def _shared(self, x_BLD: Tensor, other_BL: Tensor) -> Tensor:
        return self._dropped(self.shared(x_BLD, other_BL.unsqueeze(1))).squeeze(1)

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.config.dropout, training=self.training)

    def _contrast(
        self, domain: int, x_BLD: Tensor, own_BL: Tensor, other_BL: Tensor, shared_BD: Tensor
    ) -> Tensor:
        """Binary cross-entropy of same user against another, mean over users; zero below two."""
        rows = (own_BL.any(dim=1) & other_BL.any(dim=1)).nonzero().squeeze(1)
        if len(rows) < 2:
            return shared_BD.sum() * 0
        specific_BPD = self.specific[domain](x_BLD[rows], own_BL[rows].unsqueeze(1))
        specific_BD = self._dropped(specific_BPD).squeeze(1)
        shift = int(torch.randint(1, len(rows), ()))
        same_B1 = self.discriminator[domain](specific_BD, shared_BD[rows])
        another_B1 = self.discriminator[domain](specific_BD.roll(shift, 0), shared_BD[rows])
        return (F.softplus(-same_B1) + F.softplus(another_B1)).mean()

    def _ranking(self, state_ND: Tensor, label_N: Tensor) -> Tensor:
        space, num_negatives = self.config.space, self.config.num_negatives
        if self.config.objective == "sampled_softmax":
            return domain_softmax(state_ND, label_N, self.item, space, num_negatives)
        positive_ND = self.item(label_N)
        negative_NMD = self.item(draw_others(label_N, space, num_negatives))
        positive_N = (state_ND * positive_ND).sum(dim=-1)
        negative_NM = (negative_NMD @ state_ND.unsqueeze(2)).squeeze(2)
        loss_N = F.softplus(-positive_N) + F.softplus(negative_NM).mean(dim=1)
        return loss_N.sum() / max(len(label_N), 1)

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V]; an empty history scores every item zero."""
        x_BLD, inside_BL = self.item(query.history_BL), query.history_BL != PADDING
        user_BD = torch.zeros_like(x_BLD[:, 0])
        for domain in range(len(self.config.space.sizes)):
            rows = (query.domain_B == domain).nonzero().squeeze(1)
            own_BL = self.config.space.contains(domain, query.history_BL[rows])
            specific_BPD = self.specific[domain](x_BLD[rows], own_BL.unsqueeze(1))
            other_BL = inside_BL[rows] & ~own_BL
            user_BD[rows] = specific_BPD.squeeze(1) + self._shared(x_BLD[rows], other_BL)
        return user_BD @ self.item.weight.T


class Aggregator(nn.Module):
    """Context items in, user vectors out; no context gives zero.

    `x_BLD` are item vectors; `context_BPL` (bool) says which of a row's items each user holds.
    """

    def __init__(self, config: UniCDRConfig):
        super().__init__()
        self.kind = config.aggregator
        self.dropout = config.dropout
        self.out = nn.Linear(config.width, config.width, bias=False)
        nn.init.eye_(self.out.weight)  # else means of small vectors start as noise, and stay it
        if self.kind == "user_attention":
            self.key = nn.Sequential(nn.Linear(config.width, config.width), nn.Tanh())

    def forward(self, x_BLD: Tensor, context_BPL: Tensor, asked_BP: Tensor | None = None) -> Tensor:
        """[B, P, D], or only the users `asked_BP` (bool), row by row: [N, D]."""
        pooled_BPD = self._pool(x_BLD, context_BPL)
        return self.out(pooled_BPD if asked_BP is None else pooled_BPD[asked_BP])

    def _pool(self, x_BLD: Tensor, context_BPL: Tensor) -> Tensor:
        """The weighted mean of each user's items, [B, P, D]."""
        count_BP1 = context_BPL.sum(dim=2, keepdim=True).clamp(min=1)
        mean_BPD = (context_BPL / count_BP1) @ x_BLD
        if self.kind == "mean":
            return mean_BPD
        if self.kind == "user_attention":
            logits_BPL = mean_BPD @ self.key(x_BLD).mT
            weight_BPL = F.dropout(_softmax(logits_BPL, context_BPL), self.dropout, self.training)
        else:
            cosine_BPL = F.normalize(mean_BPD, dim=-1) @ F.normalize(x_BLD, dim=-1).mT
            weight_BPL = _softmax(cosine_BPL, context_BPL)
        return weight_BPL @ x_BLD


def _softmax(logits_BPL: Tensor, context_BPL: Tensor) -> Tensor:
    """Weights over the context that sum to one; all zero where there is none."""
    lowest = torch.finfo(logits_BPL.dtype).min
    return logits_BPL.masked_fill(~context_BPL, lowest).softmax(dim=2) * context_BPL


def draw_others(label_N: Tensor, space: ItemSpace, count: int) -> Tensor:
    """Uniform items of each label's own domain, never the label itself, [N, count]."""
    other_NM = label_N.unsqueeze(1).expand(-1, count)
    for domain in range(len(space.sizes)):
        ids = space.ids(domain)
        # A shift by 1..C-1 around the circle of the domain's ids never lands on the label.
        shift_NM = draw_items(range(1, len(ids)), other_NM.shape, label_N.device, None)
        shifted_NM = (label_N.unsqueeze(1) - ids.start + shift_NM) % len(ids) + ids.start
        own_N1 = space.contains(domain, label_N).unsqueeze(1)
        other_NM = torch.where(own_N1, shifted_NM, other_NM)
    return other_NM
