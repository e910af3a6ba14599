"""How LLMCDSR turns generated titles into real items, and puts those into a history.

Xin et al., "LLMCDSR", TOIS 2025. A user's titles are projected into the item space of the other
domain, pooled by a learned softmax, and stand for the items nearest by cosine.

Text vectors are centred on their domain's items first (the paper takes them as they are): what
all texts of a domain share would fill most of a projection that only compares by dot product.

Shapes: B batch, L history length, T titles of a user, E text width, D width, M domains, K pseudo
items of a user, V items + 1, C items drawn of a domain.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import PADDING, ItemSpace

_OVERLOOKED = -1e9  # not -inf: a user whose titles are all padding must stay finite


class TitleProjector(nn.Module):
    """One projection and one pooler a domain; `text_VE` is data, not a weight.

    Raises ValueError where `text_VE` is not [num_items + 1, text_width].
    """

    text_VE: Tensor  # centred, of mean length one
    centre_ME: Tensor
    scale: Tensor

    def __init__(self, space: ItemSpace, text_width: int, width: int, text_VE: Tensor):
        super().__init__()
        if text_VE.shape != (space.num_items + 1, text_width):
            raise ValueError(
                f"text vectors have shape {tuple(text_VE.shape)}, need "
                f"({space.num_items + 1}, {text_width}): one row for each item and one for padding"
            )
        self.space = space
        num_domains = len(space.sizes)
        self.projection_MDE = nn.Parameter(torch.empty(num_domains, width, text_width))
        self.pooler_MD = nn.Parameter(torch.empty(num_domains, width))
        self._register_texts(text_VE.float())
        init_weights(self)

    def _register_texts(self, text_VE: Tensor) -> None:
        own = [text_VE[self.space.columns(domain)] for domain in range(len(self.space.sizes))]
        centre_ME = torch.stack([text.mean(dim=0) for text in own])
        centred = torch.cat([text - centre for text, centre in zip(own, centre_ME, strict=True)])
        scale = centred.norm(dim=1).mean().clamp_min(1e-6)
        padding = torch.zeros_like(text_VE[:1])
        self.register_buffer("text_VE", torch.cat([padding, centred / scale]), persistent=False)
        self.register_buffer("centre_ME", centre_ME, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def pooled(self, title_BTE: Tensor, valid_BT: Tensor, domain_B: Tensor) -> Tensor:
        """Each user's titles as one vector in the item space of `domain_B`, [B, D].

        The gradient reaches the pooler alone: projections are learned from items.
        """
        title_BTE = (title_BTE - self.centre_ME[domain_B].unsqueeze(1)) / self.scale
        projection_MDE = self.projection_MDE.detach()
        all_BMTD = torch.einsum("bte,mde->bmtd", title_BTE, projection_MDE)
        projected_BTD = all_BMTD[torch.arange(len(domain_B), device=domain_B.device), domain_B]
        weight_BT = (projected_BTD * self.pooler_MD[domain_B].unsqueeze(1)).sum(dim=-1)
        share_BT = weight_BT.masked_fill(~valid_BT, _OVERLOOKED).softmax(dim=1)
        return (share_BT.unsqueeze(-1) * projected_BTD).sum(dim=1)

    @torch.no_grad()
    def nearest(self, pooled_BD: Tensor, domain_B: Tensor, item_VD: Tensor, count: int) -> Tensor:
        """The `count` items of `domain_B` nearest by cosine, nearest first, int64 [B, K]."""
        found_BK = domain_B.new_zeros(len(domain_B), count)
        for domain in range(len(self.space.sizes)):
            rows = (domain_B == domain).nonzero()[:, 0]
            own_CD = item_VD[self.space.columns(domain)]
            # A query's own length changes no order.
            cosine = pooled_BD[rows] @ own_CD.T / own_CD.norm(dim=1).clamp_min(1e-12)
            found_BK[rows] = cosine.topk(count, dim=1).indices + self.space.ids(domain).start
        return found_BK

    @torch.no_grad()
    def projected_texts(self) -> Tensor:
        """Every item's text in the item space of its own domain, [V, D]; padding is zero."""
        own = [
            self.text_VE[self.space.columns(domain)] @ projection_DE.T
            for domain, projection_DE in enumerate(self.projection_MDE)
        ]
        return torch.cat([torch.zeros_like(own[0][:1]), *own])

    def contrast(self, item: nn.Embedding, num_items: int) -> Tensor:
        """Contrastive loss of projected texts and item vectors, mean over items; a scalar.

        SimCLR's form, by dot product at temperature one, in each domain apart: an item's text
        must find its vector among all other texts and vectors, and the reverse.

        Departs from the released code in the items: `num_items` of each domain, drawn uniformly
        without replacement, where the code takes those of the batch and as many uniform ones.
        """
        drawn = [
            torch.randperm(size, device=item.weight.device)[:num_items] + self.space.ids(i).start
            for i, size in enumerate(self.space.sizes)
        ]
        vectors = item(torch.cat(drawn)).split([len(ids) for ids in drawn])
        texts = [self.text_VE[ids] @ self.projection_MDE[i].T for i, ids in enumerate(drawn)]
        losses = [_simclr(text, own) for text, own in zip(texts, vectors, strict=True)]
        return torch.cat(losses).mean()


def _simclr(text_CD: Tensor, item_CD: Tensor) -> Tensor:
    """Of each text and of each item, [2C]: its partner among all the others of both kinds."""
    count = len(text_CD)
    both = torch.cat([text_CD, item_CD])
    similarity = (both @ both.T).fill_diagonal_(-torch.inf)
    partner = torch.arange(2 * count, device=both.device).roll(count)
    return F.cross_entropy(similarity, partner, reduction="none")


def insertion_order(items_BL: Tensor, count: int) -> Tensor:
    """Where `count` pseudo items go: a permutation of [pseudo items; history], int64 [B, K + L].

    Every pseudo item stands before a real item drawn at random, so that the last item stays
    real; those before the same item stand nearest first. Padding stays on the left.
    """
    length = items_BL.shape[1]
    num_real_B1 = (items_BL != PADDING).sum(dim=1, keepdim=True)
    share_BK = torch.rand(len(items_BL), count, device=items_BL.device)
    before_BK = length - num_real_B1 + (share_BK * num_real_B1).floor()
    place_BL = torch.arange(length, device=items_BL.device).expand_as(items_BL)
    return torch.cat([before_BK - 0.5, place_BL], dim=1).argsort(dim=1, stable=True)


def init_weights(projector: TitleProjector) -> None:
    """Projections Xavier normal; poolers zero, which is the mean of the titles."""
    for projection in projector.projection_MDE:
        nn.init.xavier_normal_(projection)
    nn.init.zeros_(projector.pooler_MD)
