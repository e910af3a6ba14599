"""Training cases built as the test is: one domain's history, an item of the other to be found.

A sequence of a user of several domains holds one view for each target domain: what the user
did elsewhere, in order, and the target domain's items that followed. All views of a
sequence are read in one pass: an item is asked of the state after the newest item of other
domains before it.

Shapes: B sequences, L length, T domains, W = T * B views, P asked items.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from models.batch import PADDING, ItemSpace


class ColdViews(NamedTuple):
    history_WL: Tensor  # int64, items of other domains alone, padded on the left
    view_P: Tensor  # int64, which view asks
    place_P: Tensor  # int64, at which position of it
    label_P: Tensor  # int64, the item that is asked for
    to_end_P: Tensor  # int64, items of the whole sequence after the asked one; 0 is the last


def cold_views(items_BL: Tensor, space: ItemSpace, item_drop: float = 0.0) -> ColdViews:
    """Every item with something of another domain before it is asked for, exactly once.

    `items_BL` is padded on the left. A share `item_drop` of what is shown is left out, drawn
    from torch's default generator for each view apart.
    """
    parts = [_view(items_BL, space, target, item_drop) for target in range(len(space.sizes))]
    history, row, place, label, to_end = zip(*parts, strict=True)
    views = [entry + target * len(items_BL) for target, entry in enumerate(row)]
    return ColdViews(
        torch.cat(history), torch.cat(views), torch.cat(place), torch.cat(label), torch.cat(to_end)
    )


def _view(items_BL: Tensor, space: ItemSpace, target: int, item_drop: float) -> tuple[Tensor, ...]:
    asked_BL = space.contains(target, items_BL)
    shown_BL = (items_BL != PADDING) & ~asked_BL
    if item_drop:
        shown_BL &= torch.rand(items_BL.shape, device=items_BL.device) >= item_drop
    # A stable sort of booleans moves the shown items to the right and keeps their order.
    order_BL = shown_BL.to(torch.uint8).argsort(dim=1, stable=True)
    history_BL = items_BL.masked_fill(~shown_BL, PADDING).gather(1, order_BL)
    seen_BL = shown_BL.cumsum(dim=1)
    row_P, position_P = (asked_BL & (seen_BL > 0)).nonzero(as_tuple=True)
    hidden_P = seen_BL[row_P, -1] - seen_BL[row_P, position_P]  # shown later than the asked item
    length = items_BL.shape[1]
    return (
        history_BL,
        row_P,
        length - 1 - hidden_P,
        items_BL[row_P, position_P],
        length - 1 - position_P,
    )
