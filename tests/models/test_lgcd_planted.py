"""LGCD on a world whose answer is known: a user's target cluster follows from the source's.

Twenty clusters of ten items in each domain. All items that a user meets in a domain are of one
cluster, and the cluster of one domain fixes that of the other. Texts are the cluster's, blurred;
the two domains' texts have nothing in common, so that nothing can be transferred by likeness.
A cold user's label is one of 200 items: chance gives HR@10 = 0.05.
"""

import copy
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from models.batch import ItemSpace, Query, SequenceBatch, TransferBatch
from models.blocks.denoisers import DenoiserConfig
from models.blocks.diffusion import DiffusionConfig
from models.blocks.transformer import EncoderConfig
from models.lgcd import LGCD, LGCDConfig
from models.lgcd_cases import LGCDBatch
from models.lgcd_encoders import DomainEncoders, DomainEncodersConfig
from models.metrics import hit_rate, points_against

CLUSTERS, ITEMS = 20, 10
SPACE = ItemSpace(sizes=(CLUSTERS * ITEMS, CLUSTERS * ITEMS))
CHANCE = 10 / (CLUSTERS * ITEMS)
WIDTH, TEXT_WIDTH = 16, 12


@dataclass(frozen=True, kw_only=True)
class World:
    text_VE: Tensor
    single: SequenceBatch
    overlap: TransferBatch
    cold: TransferBatch


def _items(domain: int, cluster_B: Tensor, number: int, generator: torch.Generator) -> Tensor:
    """Distinct items of each user's cluster, in random order, [B, number]."""
    order = torch.rand(len(cluster_B), ITEMS, generator=generator).argsort(dim=1)[:, :number]
    return SPACE.ids(domain).start + cluster_B.unsqueeze(1) * ITEMS + order


def _transfers(num_users: int, generator: torch.Generator) -> TransferBatch:
    """Users of both directions: three source items, two target items, and the label."""
    mapping = torch.randperm(CLUSTERS, generator=torch.Generator().manual_seed(99))
    domain_B = torch.arange(num_users) % 2
    first_B = torch.randint(CLUSTERS, (num_users,), generator=generator)
    both = _items(0, first_B, 4, generator), _items(1, mapping[first_B], 4, generator)
    is_first_B1 = domain_B.unsqueeze(1) == 0
    source = torch.where(is_first_B1, both[1], both[0])[:, :3]
    target = torch.where(is_first_B1, both[0], both[1])
    mixed = torch.cat([source, target[:, :2]], dim=1)
    return TransferBatch(source, target[:, :2], mixed, target[:, 2], domain_B)


def _world() -> World:
    generator = torch.Generator().manual_seed(0)
    centre_CE = torch.randn(2 * CLUSTERS, TEXT_WIDTH, generator=generator)
    blur = 0.3 * torch.randn(2 * CLUSTERS * ITEMS, TEXT_WIDTH, generator=generator)
    text_VE = torch.cat([torch.zeros(1, TEXT_WIDTH), centre_CE.repeat_interleave(ITEMS, 0) + blur])
    single = [_items(domain, torch.arange(CLUSTERS).repeat(5), 5, generator) for domain in range(2)]
    return World(
        text_VE=text_VE,
        single=SequenceBatch(torch.cat(single)),
        overlap=_transfers(200, generator),
        cold=_transfers(200, generator),
    )


def _fit(model: nn.Module, batch: object, steps: int) -> None:
    optimizer = torch.optim.Adam(model.train().parameters(), lr=5e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack(list(model.loss(batch).values())).sum().backward()
        optimizer.step()


ENCODERS = DomainEncodersConfig(
    space=SPACE, text_width=TEXT_WIDTH, encoder=EncoderConfig(width=WIDTH, dropout=0.1)
)


def _hit_rate_of_cold_users(world: World, stage_one: DomainEncoders, **settings: object) -> float:
    torch.manual_seed(0)
    config = LGCDConfig(
        encoders=ENCODERS,
        diffusion=DiffusionConfig(num_steps=20),
        denoiser=DenoiserConfig(width=WIDTH),
        **settings,
    )
    model = LGCD(config, copy.deepcopy(stage_one))
    _fit(model, LGCDBatch(world.overlap, None), 80)
    scores_BV = model.eval().score(Query(world.cold.source_BL, world.cold.domain_B))
    hits = []
    for domain in range(2):
        rows = world.cold.domain_B == domain
        columns = SPACE.columns(domain)
        points_BC = points_against(
            scores_BV[rows, columns], world.cold.label_B[rows] - columns.start
        )
        hits.append(hit_rate(1 + (points_BC.sum(dim=1) - 1) / 2, 10))
    return torch.cat(hits).mean().item()


@pytest.fixture(scope="module")
def world() -> World:
    return _world()


@pytest.fixture(scope="module")
def stage_one(world) -> DomainEncoders:
    torch.manual_seed(0)
    encoders = DomainEncoders(ENCODERS, world.text_VE)
    _fit(encoders, world.single, 60)
    return encoders


def test_lgcd_finds_the_target_cluster_of_cold_users(world, stage_one):
    assert _hit_rate_of_cold_users(world, stage_one) > 5 * CHANCE


def test_without_a_condition_lgcd_falls_to_the_prior(world, stage_one):
    assert _hit_rate_of_cold_users(world, stage_one, cond="none") < 2.5 * CHANCE
