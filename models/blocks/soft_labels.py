"""Cross-entropy against several weighted items of one domain instead of a single label.

Shapes: N states, D width, K labelled items of a state, M negatives, C items of one domain.
"""

import torch
from torch import Tensor

from models.batch import PADDING
from models.blocks.losses import ItemVectors, draw_items


def soft_item_softmax(
    state_ND: Tensor,
    item_NK: Tensor,
    score_NK: Tensor,
    vectors: ItemVectors,
    ids: range,
    num_negatives: int | None,
) -> Tensor:
    """-sum_k softmax(score)_k log p(item_k) for each state, [N].

    `item_NK` are distinct items of the domain with the ids `ids`; padding (0) takes no part, and
    every state needs one item at least. `num_negatives` uniform negatives are drawn once and
    shared by all states; None ranks against the whole domain.
    """
    given_NK = item_NK != PADDING
    weight_NK = score_NK.masked_fill(~given_NK, -torch.inf).softmax(dim=1)
    if num_negatives is None:
        table_CD = vectors(torch.arange(ids.start, ids.stop, device=item_NK.device))
        logits_NC = state_ND @ table_CD.T
        logits_NK = logits_NC.gather(1, (item_NK - ids.start).clamp_min(0))
        total_N = logits_NC.logsumexp(dim=1)
    else:
        negative_M = draw_items(ids, (num_negatives,), item_NK.device, None)
        both = vectors(torch.cat([item_NK.flatten(), negative_M]))
        own_NKD = both[: item_NK.numel()].unflatten(0, item_NK.shape)
        logits_NK = torch.einsum("nd,nkd->nk", state_ND, own_NKD)
        logits_NM = state_ND @ both[item_NK.numel() :].T
        hit_NM = (item_NK.unsqueeze(2) == negative_M).any(dim=1)
        own_NK = logits_NK.masked_fill(~given_NK, -torch.inf)
        rivals = [own_NK, logits_NM.masked_fill(hit_NM, -torch.inf)]
        total_N = torch.cat(rivals, dim=1).logsumexp(dim=1)
    return total_N - (weight_NK * logits_NK).sum(dim=1)
