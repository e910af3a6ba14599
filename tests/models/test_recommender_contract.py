"""What the training loop and the evaluator rely on, asked of every system alike."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from models.baselines.c2dsr import C2DSR, C2DSRConfig
from models.baselines.cooccurrence import Cooccurrence, CooccurrenceConfig
from models.baselines.diffurec import DiffuRec, DiffuRecConfig
from models.baselines.ease import EASE, EASEConfig
from models.baselines.fearec import FEARec, FEARecConfig
from models.baselines.fearec_block import HybridConfig
from models.baselines.gru4rec import GRU4Rec, GRU4RecConfig
from models.baselines.item_knn import ItemKNN, ItemKNNConfig
from models.baselines.llmcdsr import LLMCDSR, LLMCDSRBatch, LLMCDSRConfig, TitledUsers
from models.baselines.popularity import (
    OverlapPopularity,
    OverlapPopularityConfig,
    Popularity,
    PopularityConfig,
    RecentPopularity,
    RecentPopularityConfig,
)
from models.baselines.sasrec import SASRec, SASRecConfig
from models.baselines.sscdr import SSCDR, SSCDRConfig
from models.baselines.tricdr import TriCDR, TriCDRConfig
from models.baselines.unicdr import UniCDR, UniCDRConfig
from models.baselines.unisrec import UniSRec, UniSRecConfig
from models.batch import ItemSpace, Query, SequenceBatch, TransferBatch
from models.blocks.denoisers import DenoiserConfig
from models.blocks.diffusion import DiffusionConfig
from models.blocks.transformer import EncoderConfig
from models.lgcd import LGCD, LGCDConfig
from models.lgcd_cases import LGCDBatch
from models.lgcd_encoders import DomainEncoders, DomainEncodersConfig
from models.lgcd_plus import LGCDPlus, LGCDPlusConfig, PlusBatch
from models.lgcd_plus_generator import GeneratorConfig
from models.recommender import Counter, Recommender

SPACE = ItemSpace(sizes=(12, 10))
TEXT = torch.randn(23, 6, generator=torch.Generator().manual_seed(0))
SEQUENCES = SequenceBatch(
    torch.tensor([[0, 1, 14, 2, 15], [3, 16, 4, 17, 18], [0, 0, 5, 6, 7], [0, 0, 0, 0, 20]])
)
TRANSFER = TransferBatch(
    source_BL=torch.tensor([[0, 1, 2], [3, 4, 5], [0, 14, 15], [0, 0, 0]]),
    target_BL=torch.tensor([[0, 16], [17, 18], [6, 7], [0, 0]]),
    mixed_BL=torch.tensor([[0, 0, 1, 16, 2], [3, 17, 4, 18, 5], [0, 6, 7, 14, 15], [0] * 5]),
    label_B=torch.tensor([19, 20, 8, 9]),
    domain_B=torch.tensor([1, 1, 0, 0]),
)
TITLED = TitledUsers(
    items_BL=TRANSFER.source_BL,
    title_BTE=TEXT[:20].reshape(4, 5, 6),
    valid_BT=torch.tensor([[True] * 5, [False, True, True, True, True], [True] * 5, [False] * 5]),
    domain_B=TRANSFER.domain_B,
)
QUERY = Query(TRANSFER.source_BL, TRANSFER.domain_B)


def _sasrec() -> SASRec:
    return SASRec(SASRecConfig(space=SPACE, encoder=EncoderConfig(width=8), num_negatives=6))


def _gru4rec() -> GRU4Rec:
    return GRU4Rec(GRU4RecConfig(space=SPACE, width=8, gru_width=12, num_negatives=6))


def _fearec() -> FEARec:
    hybrid = HybridConfig(width=8, ffn_width=16, dropout=0.1)
    return FEARec(FEARecConfig(space=SPACE, hybrid=hybrid, num_negatives=6))


def _diffurec() -> DiffuRec:
    encoder = EncoderConfig(width=8, dropout=0.1, causal=False)
    return DiffuRec(DiffuRecConfig(space=SPACE, encoder=encoder, num_cuts=4, num_negatives=6))


def _sscdr() -> SSCDR:
    return SSCDR(SSCDRConfig(space=SPACE, width=8, hidden=16, num_negatives=6))


def _unicdr() -> UniCDR:
    return UniCDR(UniCDRConfig(space=SPACE, width=8, dropout=0.1, num_negatives=6))


def _c2dsr() -> C2DSR:
    encoder = EncoderConfig(width=8, dropout=0.1)
    model = C2DSR(C2DSRConfig(space=SPACE, encoder=encoder, num_successors=2, num_negatives=6))
    model.count([SEQUENCES])
    return model


def _tricdr() -> TriCDR:
    encoder = EncoderConfig(width=8, dropout=0.1)
    return TriCDR(TriCDRConfig(space=SPACE, encoder=encoder, num_negatives=6))


def _unisrec() -> UniSRec:
    encoder = EncoderConfig(width=8, dropout=0.1)
    config = UniSRecConfig(
        space=SPACE, text_width=6, encoder=encoder, num_negatives=6, contrast_weight=1e-3
    )
    return UniSRec(config, TEXT)


def _llmcdsr() -> LLMCDSR:
    config = LLMCDSRConfig(
        space=SPACE, text_width=6, encoder=EncoderConfig(width=8, dropout=0.1), num_negatives=6
    )
    return LLMCDSR(config, TEXT)


def _lgcd(**settings: object) -> LGCD:
    encoder = EncoderConfig(width=8, dropout=0.1)
    encoders = DomainEncodersConfig(space=SPACE, text_width=6, encoder=encoder)
    config = LGCDConfig(
        encoders=encoders,
        diffusion=DiffusionConfig(num_steps=10),
        denoiser=DenoiserConfig(width=8),
        num_experts=2,
        **settings,
    )
    return LGCD(config, DomainEncoders(encoders, TEXT))


def _lgcd_plus() -> LGCDPlus:
    encoder = EncoderConfig(width=8, dropout=0.1)
    generator = GeneratorConfig(
        diffusion=DiffusionConfig(num_steps=10), denoiser=DenoiserConfig(width=8)
    )
    config = LGCDPlusConfig(
        space=SPACE,
        text_width=6,
        encoder=encoder,
        num_negatives=6,
        text_axes=4,
        generator=generator,
    )
    model = LGCDPlus(config, TEXT)
    model.count([SEQUENCES])
    return model


TRAINABLE: dict[str, tuple[Callable[[], nn.Module], object]] = {
    "sasrec": (_sasrec, SEQUENCES),
    "gru4rec": (_gru4rec, SEQUENCES),
    "fearec": (_fearec, SEQUENCES),
    "diffurec": (_diffurec, SEQUENCES),
    "sscdr": (_sscdr, SEQUENCES),
    "unicdr": (_unicdr, SEQUENCES),
    "c2dsr": (_c2dsr, SEQUENCES),
    "tricdr": (_tricdr, SEQUENCES),
    "unisrec": (_unisrec, SEQUENCES),
    "llmcdsr": (_llmcdsr, LLMCDSRBatch(SEQUENCES.items_BL, TITLED, SEQUENCES.items_BL)),
    "lgcd": (_lgcd, LGCDBatch(TRANSFER, TRANSFER)),
    "lgcd_plus": (
        _lgcd_plus,
        PlusBatch(SEQUENCES.items_BL, torch.tensor([0, 0, 15, 3]), SEQUENCES.items_BL[:2]),
    ),
}
COUNTING: dict[str, Callable[[], nn.Module]] = {
    "popularity": lambda: Popularity(PopularityConfig(space=SPACE)),
    "recent_popularity": lambda: RecentPopularity(RecentPopularityConfig(space=SPACE)),
    "cooccurrence": lambda: Cooccurrence(CooccurrenceConfig(space=SPACE)),
    "overlap_popularity": lambda: OverlapPopularity(OverlapPopularityConfig(space=SPACE)),
    "item_knn": lambda: ItemKNN(ItemKNNConfig(space=SPACE), TEXT),
    "ease": lambda: EASE(EASEConfig(space=SPACE, ridge=1.0)),
}
EVERY = [*TRAINABLE, *COUNTING]


def _build(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    if name in TRAINABLE:
        return TRAINABLE[name][0]().eval()
    model = COUNTING[name]().eval()
    model.count([SEQUENCES])
    return model


def _descend(model: nn.Module, batch: object, steps: int) -> list[float]:
    """The loss before each step."""
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=0.02), []
    torch.manual_seed(1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.stack(list(model.train().loss(batch).values())).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", EVERY)
def test_a_system_meets_its_protocol(name):
    assert isinstance(_build(name), Recommender if name in TRAINABLE else Counter)


@pytest.mark.parametrize("name", EVERY)
def test_every_item_of_the_target_domain_has_a_finite_score(name):
    scores_BV = _build(name).score(QUERY)

    assert scores_BV.shape == (4, 23)
    for row, domain in enumerate(QUERY.domain_B.tolist()):
        assert scores_BV[row, SPACE.columns(domain)].isfinite().all()


@pytest.mark.parametrize("name", EVERY)
def test_padding_never_changes_an_answer(name):
    model = _build(name)
    padded = torch.cat([torch.zeros(4, 3).long(), QUERY.history_BL], dim=1)

    torch.testing.assert_close(model.score(Query(padded, QUERY.domain_B)), model.score(QUERY))


@pytest.mark.parametrize("name", EVERY)
def test_an_answer_does_not_depend_on_who_else_asks(name):
    model = _build(name)
    together_BV = model.score(QUERY)

    for row in range(4):
        alone = Query(QUERY.history_BL[row : row + 1], QUERY.domain_B[row : row + 1])
        torch.testing.assert_close(model.score(alone), together_BV[row : row + 1])


@pytest.mark.parametrize("name", EVERY)
def test_scoring_twice_gives_the_same_answer(name):
    model = _build(name)

    assert torch.equal(model.score(QUERY), model.score(QUERY))


@pytest.mark.parametrize("name", EVERY)
def test_stored_weights_give_the_same_answer_in_a_fresh_system(name):
    model = _build(name, seed=0)
    fresh = TRAINABLE[name][0]() if name in TRAINABLE else COUNTING[name]()
    fresh.load_state_dict(model.state_dict())

    torch.testing.assert_close(fresh.eval().score(QUERY), model.score(QUERY))
    assert all(tensor.layout == torch.strided for tensor in model.state_dict().values())


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_fixed_seed_fixes_the_training(name):
    batch = TRAINABLE[name][1]

    assert _descend(_build(name), batch, 3) == _descend(_build(name), batch, 3)


@pytest.mark.parametrize("name", TRAINABLE)
def test_gradients_are_finite_even_for_an_empty_history(name):
    model = _build(name).train()
    torch.stack(list(model.loss(TRAINABLE[name][1]).values())).sum().backward()

    grads = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert grads and all(grad.isfinite().all() for grad in grads)
    assert any(grad.abs().sum() > 0 for grad in grads)


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_handful_of_users_is_learned_by_heart(name):
    losses = _descend(_build(name), TRAINABLE[name][1], 60)

    assert sum(losses[-5:]) / 5 < losses[0] / 2


@pytest.mark.parametrize("name", TRAINABLE)
def test_the_padding_row_stays_zero(name):
    model = _build(name)
    _descend(model, TRAINABLE[name][1], 3)

    tables = [m for m in model.modules() if isinstance(m, nn.Embedding) and m.padding_idx == 0]
    assert tables and all((table.weight[0] == 0).all() for table in tables)
