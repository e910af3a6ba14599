"""lgcd_plus: what each switch changes, and scores against the formula that they stand for."""

from dataclasses import replace

import pytest
import torch

from models.batch import ItemSpace, Query, SequenceBatch
from models.blocks.denoisers import DenoiserConfig
from models.blocks.diffusion import DiffusionConfig
from models.blocks.transformer import EncoderConfig
from models.lgcd_plus import LGCDPlus, LGCDPlusConfig, PlusBatch
from models.lgcd_plus_generator import GeneratorConfig

SPACE = ItemSpace(sizes=(6, 5))  # ids 1..6 and 7..11
TEXT = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
CONFIG = LGCDPlusConfig(
    space=SPACE,
    text_width=4,
    encoder=EncoderConfig(width=8, dropout=0.0),
    num_negatives=50,
    text_axes=3,
    view_item_drop=0.0,
)
SEQUENCES = torch.tensor([[0, 1, 7, 2, 8], [9, 3, 10, 4, 11], [0, 0, 1, 2, 3], [0, 0, 0, 7, 8]])
BATCH = PlusBatch(SEQUENCES, torch.tensor([0, 0, 9, 5]), SEQUENCES[:2])
QUERY = Query(torch.tensor([[0, 1, 2], [7, 8, 9]]), torch.tensor([1, 0]))
GENERATOR = GeneratorConfig(
    diffusion=DiffusionConfig(num_steps=10), denoiser=DenoiserConfig(width=8, dropout=0.0)
)


def _model(**changes: object) -> LGCDPlus:
    torch.manual_seed(0)
    model = LGCDPlus(replace(CONFIG, **changes), TEXT).eval()
    model.count([SequenceBatch(SEQUENCES)])
    return model


def _losses(model: LGCDPlus, batch: PlusBatch = BATCH) -> dict[str, float]:
    torch.manual_seed(1)
    return {name: value.item() for name, value in model.loss(batch).items()}


def test_every_loss_has_a_switch_and_a_weight():
    assert set(_losses(_model())) == {"next_item", "view", "pseudo"}
    assert set(_losses(_model(pseudo=0.0))) == {"next_item", "view"}
    assert set(_losses(_model(views=0.0))) == {"next_item", "pseudo"}
    assert set(_losses(_model(next_item=0.0))) == {"view", "pseudo"}
    assert set(_losses(_model(generator=GENERATOR))) == {"next_item", "view", "pseudo", "diffusion"}
    once, twice = _losses(_model(pseudo=0.5)), _losses(_model(pseudo=1.0))
    assert twice["pseudo"] == pytest.approx(2 * once["pseudo"])
    assert twice["view"] == pytest.approx(once["view"])


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(ValueError, match="views = next_item = 0"):
        replace(CONFIG, views=0.0, next_item=0.0)


def test_only_last_items_are_asked_where_the_switch_says_so():
    last = _losses(_model(view_labels="last"))["view"]
    steep = _losses(_model(label_decay=1e-6))["view"]

    assert last == pytest.approx(steep, abs=1e-4)
    assert last != pytest.approx(_losses(_model())["view"], abs=1e-3)


def test_a_row_without_a_pseudo_item_teaches_none():
    model = _model()
    without = BATCH._replace(pseudo_B=torch.zeros(4, dtype=torch.int64))

    assert _losses(model, without)["pseudo"] == 0
    assert _losses(model, without)["next_item"] == pytest.approx(_losses(model)["next_item"])


def test_scores_are_log_probabilities_of_the_target_domain():
    scores_BV = _model(votes=0.0).score(QUERY)

    for row, domain in enumerate(QUERY.domain_B.tolist()):
        total = scores_BV[row, SPACE.columns(domain)].exp().sum()
        torch.testing.assert_close(total, torch.tensor(1.0))


def test_votes_are_added_as_a_weighted_log_share():
    model, network = _model(votes=0.6), _model(votes=0.0)
    votes_BV = model.cooccurrence.score(QUERY)[:, SPACE.columns(1)][:1]

    added = (model.score(QUERY) - network.score(QUERY))[:1, SPACE.columns(1)]

    assert (votes_BV > 0).any() and (votes_BV == 0).any()
    torch.testing.assert_close(added, 0.6 * (votes_BV / votes_BV.sum() + 1e-5).log())


def test_a_fresh_generator_changes_no_score():
    model, plain = _model(generator=GENERATOR), _model()
    kept = {k: v for k, v in model.state_dict().items() if not k.startswith("generator.")}
    plain.load_state_dict(kept)

    torch.testing.assert_close(model.score(QUERY), plain.score(QUERY))


def test_a_trained_generator_answers_by_the_history():
    model = _model(generator=GENERATOR, votes=0.0)
    before = model.score(QUERY)
    torch.nn.init.eye_(model.generator.added.weight)

    assert not torch.allclose(model.score(QUERY), before)
    assert torch.equal(model.score(QUERY), model.score(QUERY))


def test_diffusion_moves_no_item_by_its_own_loss():
    model = _model(generator=GENERATOR, text_axes=None)
    torch.manual_seed(1)
    tokens = torch.randn(2, 3, 8)
    label_PD = model.item(torch.tensor([1, 7]))

    model.generator.error(label_PD, tokens, torch.ones(2, 3, dtype=torch.bool)).sum().backward()

    assert model.item.weight.grad is None


def test_without_texts_items_are_their_ids():
    model = _model(text_axes=None)

    assert torch.equal(model.item_vectors(torch.tensor([1, 7])), model.item.weight[[1, 7]])
    assert not torch.equal(_model().item_vectors(torch.tensor([1])), _model().item.weight[[1]])
