"""Reading mixed sequences one domain at a time: who comes last, one encoder for each domain.

One pass over a sequence serves every position of it, whichever domain is asked about there.
Most of a padded batch is padding, so vectors of all items are packed: row by row, in order, one
dimension N for all valid positions of a [B, L] batch.

Shapes: B batch, L history length, N valid positions, D width, R rows with items of one domain,
O the most such items in a row, K kept entries.
"""

import torch
from torch import Tensor, nn

from models.batch import PADDING, ItemSpace
from models.blocks.transformer import EncoderConfig, SequenceEncoder


def unpacked(x_ND: Tensor, valid_BL: Tensor) -> Tensor:
    """Packed vectors back in their places, [B, L, D]; zero where not valid."""
    return x_ND.new_zeros(*valid_BL.shape, x_ND.shape[1]).index_put((valid_BL,), x_ND)


def left_padded(values_K: Tensor, kept_BL: Tensor) -> tuple[Tensor, Tensor]:
    """The kept entries of each row, in order, moved to the right: ([R, O, ...], valid [R, O]).

    `values_K` are the kept entries row by row, [K] or [K, D]. Rows that keep nothing are left
    out. What is not valid is zero.
    """
    length_B = kept_BL.sum(dim=1)
    length_R1 = length_B[length_B > 0].unsqueeze(1)
    longest = int(length_B.max()) if len(length_B) else 0
    valid_RO = torch.arange(longest, device=kept_BL.device) >= longest - length_R1
    padded = values_K.new_zeros(*valid_RO.shape, *values_K.shape[1:])
    return padded.index_put((valid_RO,), values_K), valid_RO


class SingleDomainEncoders(nn.Module):
    """One causal encoder for each domain; each reads the items of its own domain alone."""

    def __init__(self, config: EncoderConfig, space: ItemSpace):
        super().__init__()
        self.space = space
        self.encoders = nn.ModuleList(SequenceEncoder(config) for _ in space.sizes)

    def forward(self, x_ND: Tensor, items_BL: Tensor) -> Tensor:
        """At each item the state of its own domain's encoder, packed like the input, [N, D].

        A state has seen the items of its domain up to its own place; positions count the
        items of the domain alone. Raises ValueError where a row has more items of one domain
        than the encoders' `max_length`.
        """
        valid_BL = items_BL != PADDING
        states_ND = torch.zeros_like(x_ND)
        for domain, encoder in enumerate(self.encoders):
            own_BL = self.space.contains(domain, items_BL)
            own_N = own_BL[valid_BL]
            x_ROD, valid_RO = left_padded(x_ND[own_N], own_BL)
            if len(valid_RO) > 0:
                states_ND = states_ND.index_put((own_N,), encoder(x_ROD, valid_RO)[valid_RO])
        return states_ND


def newest_of_domain(items_BL: Tensor, domain_BL: Tensor, space: ItemSpace) -> Tensor:
    """For each position the newest item of a domain, up to and with the position, [B, L] int64.

    `domain_BL` names the domain asked about at each position. The item is given by its index
    among the packed; -1 where none has come yet.
    """
    index_BL = packed_index(items_BL)
    newest_BL = torch.full_like(items_BL, -1)
    for domain in range(len(space.sizes)):
        # Packed indices grow along a row.
        own_BL = torch.where(space.contains(domain, items_BL), index_BL, -1)
        newest_BL = torch.where(domain_BL == domain, own_BL.cummax(dim=1).values, newest_BL)
    return newest_BL


def packed_index(items_BL: Tensor) -> Tensor:
    """Where each item stands among the packed, [B, L] int64; of padding it means nothing."""
    return ((items_BL != PADDING).flatten().cumsum(0) - 1).view(items_BL.shape)


def domain_of(ids: Tensor, space: ItemSpace) -> Tensor:
    """The domain of each item id, any shape; padding is said to be of domain 0."""
    ends = torch.tensor(space.sizes, device=ids.device).cumsum(0)
    return torch.bucketize(ids.contiguous(), ends)
