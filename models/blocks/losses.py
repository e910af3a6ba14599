"""Ranking losses over the items of one domain: what a state says of the next item.

A model never competes an item against items of another domain, because it is never asked to.

Shapes: N states, D width, V items + 1, M negatives, C items of one domain, S domains.
Noise is drawn from `generator`; None means torch's default one, which the training loop seeds
together with dropout.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from models.batch import ItemSpace

ItemVectors = Callable[[Tensor], Tensor]
"""Item ids of any shape [...] -> their vectors [..., D]; an `nn.Embedding` is one."""


def draw_items(
    ids: range, shape: tuple[int, ...], device: torch.device, generator: torch.Generator | None
) -> Tensor:
    """Uniform item ids of one domain, with replacement."""
    return torch.randint(ids.start, ids.stop, shape, device=device, generator=generator)


def full_softmax(state_ND: Tensor, label_N: Tensor, table_CD: Tensor, start: int) -> Tensor:
    """Cross-entropy of each state against every item of a domain, [N].

    `table_CD` holds the domain's rows only, the first of them the item with id `start`.
    """
    return F.cross_entropy(state_ND @ table_CD.T, label_N - start, reduction="none")


def sampled_softmax(
    state_ND: Tensor, positive_ND: Tensor, label_N: Tensor, negative_MD: Tensor, negative_M: Tensor
) -> Tensor:
    """Cross-entropy of each state's positive against negatives that all N states share, [N].

    `positive_ND` and `negative_MD` are item vectors, `label_N` and `negative_M` their ids. A
    negative that happens to be the state's own label is masked with -inf: it takes no part.
    """
    positive_N1 = (state_ND * positive_ND).sum(dim=-1, keepdim=True)
    negative_NM = state_ND @ negative_MD.T
    hit_NM = label_N.unsqueeze(1) == negative_M
    logits = torch.cat([positive_N1, negative_NM.masked_fill(hit_NM, -torch.inf)], dim=1)
    return -F.log_softmax(logits, dim=1)[:, 0]


def item_softmax(
    state_ND: Tensor,
    label_N: Tensor,
    vectors: ItemVectors,
    ids: range,
    num_negatives: int | None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Cross-entropy of each state's label among the items `ids` of one domain, [N].

    `num_negatives` uniform negatives are drawn once and shared by all states; None ranks
    against the whole domain.
    """
    if num_negatives is None:
        table_CD = vectors(torch.arange(ids.start, ids.stop, device=label_N.device))
        return full_softmax(state_ND, label_N, table_CD, ids.start)
    negative_M = draw_items(ids, (num_negatives,), label_N.device, generator)
    # One look-up: each one's gradient costs a pass over the whole table.
    both = vectors(torch.cat([label_N, negative_M])).split([len(label_N), num_negatives])
    return sampled_softmax(state_ND, both[0], label_N, both[1], negative_M)


def domain_softmax(
    state_ND: Tensor,
    label_N: Tensor,
    vectors: ItemVectors,
    space: ItemSpace,
    num_negatives: int | None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean `item_softmax` over the states, each within its own label's domain; a scalar.

    No states at all give zero.
    """
    if num_negatives is not None:
        negative_SM = draw_of_domains(space, num_negatives, label_N.device, generator)
        label_ND, negative_SMD = look_up(vectors, label_N, negative_SM)
        return sampled_domain_softmax(state_ND, label_N, label_ND, negative_SM, negative_SMD, space)
    total = state_ND.sum() * 0
    for domain in range(len(space.sizes)):
        rows = space.contains(domain, label_N).nonzero().squeeze(1)
        if len(rows) > 0:
            state, label, ids = state_ND[rows], label_N[rows], space.ids(domain)
            total = total + item_softmax(state, label, vectors, ids, None).sum()
    return total / max(len(label_N), 1)


def draw_of_domains(
    space: ItemSpace, count: int, device: torch.device, generator: torch.Generator | None = None
) -> Tensor:
    """`count` uniform items of each domain, with replacement, [S, M]."""
    domains = range(len(space.sizes))
    return torch.stack([draw_items(space.ids(d), (count,), device, generator) for d in domains])


def look_up(vectors: ItemVectors, *ids: Tensor) -> tuple[Tensor, ...]:
    """The vectors of several tensors of ids by a single look-up.

    The gradient of each look-up costs a pass over the whole table, so a training step should
    do with one.
    """
    found = vectors(torch.cat([entry.flatten() for entry in ids]))
    parts = found.split([entry.numel() for entry in ids])
    return tuple(part.unflatten(0, entry.shape) for part, entry in zip(parts, ids, strict=True))


def sampled_domain_softmax(
    state_ND: Tensor,
    label_N: Tensor,
    label_ND: Tensor,
    negative_SM: Tensor,
    negative_SMD: Tensor,
    space: ItemSpace,
) -> Tensor:
    """Mean `sampled_softmax`, each state against the negatives of its label's domain; a scalar."""
    total = state_ND.sum() * 0
    for domain in range(len(space.sizes)):
        rows = space.contains(domain, label_N).nonzero().squeeze(1)
        if len(rows) > 0:
            negatives = negative_SMD[domain], negative_SM[domain]
            loss_N = sampled_softmax(state_ND[rows], label_ND[rows], label_N[rows], *negatives)
            total = total + loss_N.sum()
    return total / max(len(label_N), 1)


def domain_bce(
    state_ND: Tensor,
    label_N: Tensor,
    vectors: ItemVectors,
    space: ItemSpace,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean binary cross-entropy of the label and of one negative from its domain; a scalar.

    SASRec's own loss. Negatives are drawn for each state apart; only the label is excluded, by
    drawing among the other items of the domain.
    """
    negative_N = label_N.clone()
    for domain in range(len(space.sizes)):
        ids = space.ids(domain)
        own_N = space.contains(domain, label_N)
        # A shift by 1..C-1 around the circle of the domain's ids never lands on the label.
        shift_N = draw_items(range(1, len(ids)), label_N.shape, label_N.device, generator)
        shifted_N = (label_N - ids.start + shift_N) % len(ids) + ids.start
        negative_N = torch.where(own_N, shifted_N, negative_N)
    positive, negative = (
        (state_ND * vectors(ids_N)).sum(dim=-1) for ids_N in (label_N, negative_N)
    )
    loss_N = F.softplus(-positive) + F.softplus(negative)
    return loss_N.sum() / max(len(label_N), 1)
