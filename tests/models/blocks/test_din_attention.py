"""DIN attention on packed pairs against the published form, one group at a time."""

import torch
import torch.nn.functional as F

from models.blocks.din_attention import DINAttention, Pairs, group_softmax

PAIRS = Pairs(
    query_P=torch.tensor([0, 1, 0, 1, 1]),
    fact_P=torch.tensor([0, 2, 1, 0, 3]),
    group_P=torch.tensor([0, 1, 0, 3, 1]),
    num_groups=4,
)


def test_it_is_the_published_network_on_the_five_parts():
    generator = torch.Generator().manual_seed(0)
    attention = DINAttention(3, (5, 4))
    first = torch.randn(5, 15, generator=generator)
    of_fact, of_query, of_product, of_difference, of_context = first.split(3, dim=1)
    with torch.no_grad():
        attention.of_fact.weight.copy_(of_fact - of_difference)
        attention.of_query.weight.copy_(of_query + of_difference)
        attention.of_product.weight.copy_(of_product)
        attention.of_context.weight.copy_(of_context)
    query, context, fact = (torch.randn(n, 3, generator=generator) for n in (2, 2, 4))

    found = attention(query, context, fact, PAIRS)

    for group, (asking, facts) in {0: (0, [0, 1]), 1: (1, [2, 3]), 3: (1, [0])}.items():
        f, q, m = fact[facts], query[asking].expand(len(facts), 3), context[asking]
        parts = torch.cat([f, q, f * q, q - f, m.expand_as(f)], dim=1)
        score = attention.rest(F.linear(parts, first, attention.of_fact.bias))[:, 0]
        torch.testing.assert_close(found[group], score.softmax(0) @ f)


def test_a_group_without_pairs_is_zero_and_breaks_no_gradient():
    attention = DINAttention(3, (5, 4))
    fact = torch.randn(4, 3, requires_grad=True)

    found = attention(torch.randn(2, 3), torch.randn(2, 3), fact, PAIRS)
    found.sum().backward()

    assert (found[2] == 0).all()
    assert fact.grad is not None and fact.grad.isfinite().all()


def test_a_group_softmax_sums_to_one_whatever_the_scale():
    weights = group_softmax(torch.tensor([1000.0, 1001, -1000]), torch.tensor([1, 1, 0]), 3)

    torch.testing.assert_close(weights, torch.tensor([0.26894143, 0.73105857, 1.0]))
