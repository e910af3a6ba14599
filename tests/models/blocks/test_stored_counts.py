"""Counts of any number come back, also where their module is a part of another."""

import torch
from torch import nn

from models.blocks.stored_counts import load_at_stored_size


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count_N", torch.zeros(0, dtype=torch.int64))
        load_at_stored_size(self, "count_N")


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part = Counts()


def test_a_fresh_module_takes_what_was_stored():
    stored = Whole()
    stored.part.count_N = torch.tensor([3, 1, 4])
    fresh = Whole()

    fresh.load_state_dict(stored.state_dict())

    assert fresh.part.count_N.tolist() == [3, 1, 4]
    assert fresh.part.count_N.data_ptr() != stored.part.count_N.data_ptr()


def test_a_count_that_is_missing_is_still_an_error():
    missing = Whole().load_state_dict({}, strict=False)

    assert missing.missing_keys == ["part.count_N"]
