"""Cold-start views against a plain loop over every item of every sequence."""

import torch

from models.batch import ItemSpace
from models.blocks.cold_views import cold_views

SPACE = ItemSpace(sizes=(4, 4))  # ids 1..4 and 5..8
SEQUENCES = torch.tensor([[0, 0, 1, 5, 2, 6], [5, 6, 1, 7, 2, 8], [0, 0, 0, 1, 2, 3]])


def _by_hand() -> set[tuple[tuple[int, ...], int, int]]:
    """(what is shown before an item, the item, items after it)."""
    cases = set()
    for row in SEQUENCES.tolist():
        items = [item for item in row if item]
        for index, label in enumerate(items):
            shown = tuple(item for item in items[:index] if (item > 4) != (label > 4))
            if shown:
                cases.add((shown, label, len(items) - 1 - index))
    return cases


def test_every_item_is_asked_once_of_what_other_domains_showed_before_it():
    views = cold_views(SEQUENCES, SPACE)

    found = set()
    for view, place, label, to_end in zip(*(part.tolist() for part in views[1:]), strict=True):
        history = views.history_WL[view, : place + 1]
        found.add((tuple(history[history > 0].tolist()), label, to_end))
    assert found == _by_hand()
    assert len(views.label_P) == len(found)


def test_views_hold_one_domain_and_are_padded_on_the_left():
    views = cold_views(SEQUENCES, SPACE)

    assert views.history_WL[3:].max() <= 4  # asked for domain 1, they show domain 0
    shown_WL = views.history_WL > 0
    assert (shown_WL.cummax(dim=1).values == shown_WL).all()


def test_sequences_of_one_domain_ask_for_nothing():
    views = cold_views(SEQUENCES[2:], SPACE)

    assert len(views.label_P) == 0


def test_dropped_items_are_not_shown_and_still_asked_for():
    torch.manual_seed(0)
    whole, some = (cold_views(SEQUENCES.repeat(50, 1), SPACE, drop) for drop in (0.0, 0.5))

    shown = [(views.history_WL > 0).sum().item() for views in (whole, some)]
    assert 0.4 < shown[1] / shown[0] < 0.6
    asked = some.history_WL[some.view_P, some.place_P]
    assert (asked > 0).all()  # an item before which nothing is left to show is not asked for
    assert set(some.label_P.tolist()) == set(whole.label_P.tolist())
