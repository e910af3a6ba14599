"""LLMCDSR: where pseudo items go, what learns from them, and what the meta step learns."""

import pytest
import torch
from torch import Tensor

from models.baselines.llmcdsr import LLMCDSR, LLMCDSRBatch, LLMCDSRConfig, TitledUsers
from models.baselines.llmcdsr_titles import TitleProjector, _simclr, insertion_order
from models.batch import ItemSpace
from models.blocks.transformer import EncoderConfig

SPACE = ItemSpace(sizes=(6, 6))
SEQUENCES = torch.tensor([[0, 1, 8, 2], [3, 9, 4, 10]])


def _texts(width: int = 4) -> Tensor:
    return torch.randn(13, width, generator=torch.Generator().manual_seed(0))


def _titled(valid: list[bool] | None = None) -> TitledUsers:
    return TitledUsers(
        items_BL=torch.tensor([[0, 1, 2, 3], [7, 8, 9, 10]]),
        title_BTE=_texts()[:6].reshape(2, 3, 4),
        valid_BT=torch.tensor([valid or [True] * 3] * 2),
        domain_B=torch.tensor([1, 0]),
    )


def _model(**settings: object) -> LLMCDSR:
    torch.manual_seed(0)
    encoder = EncoderConfig(width=8, dropout=0.0, max_length=12)
    config = LLMCDSRConfig(
        space=SPACE, text_width=4, encoder=encoder, num_negatives=4, num_pseudo_items=3, **settings
    )
    model = LLMCDSR(config, _texts())
    torch.nn.init.normal_(model.item.weight[1:])
    return model


def _axes() -> TitleProjector:
    """Item space and text space are the same plane, neither centred nor scaled."""
    projector = TitleProjector(SPACE, 2, 2, torch.zeros(13, 2))
    projector.centre_ME.zero_()
    projector.scale.fill_(1)
    with torch.no_grad():
        projector.projection_MDE.copy_(torch.eye(2).expand(2, 2, 2))
    return projector


# -- titles ----------------------------------------------------------------------------------


def test_an_untrained_pooler_takes_the_mean_of_the_titles_that_are_there():
    title = torch.tensor([[[2.0, 0.0], [0.0, 4.0], [9.0, 9.0]]])
    valid = torch.tensor([[True, True, False]])

    pooled = _axes().pooled(title, valid, torch.tensor([1]))

    assert pooled.tolist() == [[1.0, 2.0]]


def test_the_pooler_of_the_titles_own_domain_weighs_them():
    projector = _axes()
    with torch.no_grad():
        projector.pooler_MD[1] = torch.tensor([1.0, 0.0])
    title = torch.tensor([[[2.0, 0.0], [0.0, 2.0]]]).expand(2, 2, 2)

    pooled = projector.pooled(title, torch.ones(2, 2).bool(), torch.tensor([0, 1]))

    share = torch.tensor([2.0, 0.0]).softmax(dim=0)
    torch.testing.assert_close(pooled, torch.stack([torch.tensor([1.0, 1.0]), 2 * share]))


def test_titles_are_centred_on_the_items_of_their_domain():
    text = _texts()
    projector = TitleProjector(SPACE, 4, 8, text)

    # A title that says what an item's text says lies where that item's projected text lies.
    title = text[[9, 3]].unsqueeze(1)
    pooled = projector.pooled(title, torch.ones(2, 1).bool(), torch.tensor([1, 0]))

    expected = [
        projector.projection_MDE[1] @ projector.text_VE[9],
        projector.projection_MDE[0] @ projector.text_VE[3],
    ]
    torch.testing.assert_close(pooled, torch.stack(expected))
    torch.testing.assert_close(projector.text_VE[7:].mean(0), torch.zeros(4), atol=1e-6, rtol=0)
    assert projector.text_VE[1:].norm(dim=1).mean().item() == pytest.approx(1)


def test_the_nearest_items_are_those_of_the_domain_by_angle_not_by_length():
    angle = torch.deg2rad(torch.tensor([0.0, 0, 20, 40, 60, 80, 90, 5, 25, 45, 65, 85, 90]))
    items = torch.stack([angle.cos(), angle.sin()], dim=1) * torch.arange(13).unsqueeze(1)
    query = torch.tensor([[1.0, 0.0], [0.0, 3.0]])

    found = _axes().nearest(query, torch.tensor([1, 0]), items, 3)

    assert found.tolist() == [[7, 8, 9], [6, 5, 4]]


def test_the_contrast_is_that_of_simclr():
    text, item = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0], [1.0, 1.0]])

    losses = _simclr(text, item)

    # Each against the three others by dot product, the first of them its partner.
    others = [[2.0, 0, 1], [1.0, 0, 0], [2.0, 0, 2], [1.0, 1, 2]]
    expected = [-torch.tensor(row).log_softmax(0)[0] for row in others]
    torch.testing.assert_close(losses, torch.stack(expected))


def test_the_contrast_brings_items_and_their_own_texts_together():
    model = _model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        model.titles.contrast(model.item, 6).backward()
        optimizer.step()
    projected = torch.stack([model.titles.projection_MDE[1] @ t for t in model.titles.text_VE[7:]])

    nearest = model.titles.nearest(projected, torch.ones(6).long(), model.item.weight, 1)

    assert nearest[:, 0].tolist() == list(range(7, 13))


def test_text_vectors_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape \(12, 4\), need \(13, 4\)"):
        TitleProjector(SPACE, 4, 8, torch.zeros(12, 4))


def test_items_start_where_titles_that_say_what_they_are_find_them():
    torch.manual_seed(0)
    config = LLMCDSRConfig(space=SPACE, text_width=4, encoder=EncoderConfig(width=8))
    model = LLMCDSR(config, _texts())

    title = _texts()[[9, 3]].unsqueeze(1)
    domain = torch.tensor([1, 0])
    pooled = model.titles.pooled(title, torch.ones(2, 1).bool(), domain)

    assert model.titles.nearest(pooled, domain, model.item.weight, 1).tolist() == [[9], [3]]
    assert model.item.weight.std().item() == pytest.approx(0.02)


# -- insertion -------------------------------------------------------------------------------


def test_pseudo_items_stand_before_real_ones_and_the_last_item_stays_real():
    items = torch.tensor([[0, 0, 1, 2, 3], [4, 5, 6, 1, 2], [0, 0, 0, 0, 6]])
    torch.manual_seed(0)
    before_first = 0
    for _ in range(200):
        order = insertion_order(items, 2)
        merged = torch.cat([torch.tensor([[7, 8]] * 3), items], dim=1).gather(1, order)
        for row, real in zip(merged.tolist(), items.tolist(), strict=True):
            shown = [item for item in row if item]
            assert row == [0] * (len(row) - len(shown)) + shown
            assert [item for item in shown if item < 7] == [item for item in real if item]
            assert sorted(item for item in shown if item >= 7) == [7, 8]
            assert shown[-1] < 7
        assert merged[2].tolist() == [0, 0, 0, 0, 7, 8, 6]
        before_first += int((merged[0, 2:4] >= 7).all())
    # Both stand before the first of three items once in nine times.
    assert 200 / 9 - 16 < before_first < 200 / 9 + 16


def test_a_pseudo_item_is_shown_but_never_asked_for():
    model = _model()
    augmented = model._insert(torch.tensor([[11, 12, 9], [4, 5, 6]]), _titled().items_BL)

    shown, labels = (set(part.flatten().tolist()) for part in augmented[:2])
    assert shown == {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
    assert labels == {0, 1, 2, 3, 7, 8, 9, 10}
    real = augmented.label_BL != 0
    assert torch.equal(augmented.items_BL[real], augmented.label_BL[real])


def test_a_long_augmented_history_keeps_its_newest_items():
    model = _model()
    long = torch.arange(1, 7).repeat(1, 3)

    augmented = model._insert(torch.tensor([[7, 8, 9]]), long)

    assert augmented.items_BL.shape == (1, 13)
    assert augmented.items_BL[0, -1] == 6


# -- losses ----------------------------------------------------------------------------------


def test_without_overlap_users_no_gradient_reaches_the_poolers():
    model = _model()
    losses = model.loss(LLMCDSRBatch(SEQUENCES, _titled(), None))
    torch.stack(list(losses.values())).sum().backward()

    assert set(losses) == {"next_item", "contrast"}
    assert model.titles.pooler_MD.grad is None
    assert model.titles.projection_MDE.grad.abs().sum() > 0


def test_the_meta_step_teaches_the_poolers_alone():
    model = _model()
    model.loss(LLMCDSRBatch(SEQUENCES, _titled(), SEQUENCES))["meta"].backward()

    trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert trained == {"titles.pooler_MD"}
    assert (model.titles.pooler_MD.grad.abs().sum(dim=1) > 0).all()


def test_the_meta_gradient_is_that_of_the_look_ahead_in_numbers():
    model = _model(lookahead_rate=0.5).double()
    titled, overlap = _titled(), torch.tensor([[1, 7, 2, 8], [9, 3, 10, 4]])
    augmented = model._insert(torch.tensor([[11, 12, 9], [4, 5, 6]]), titled.items_BL)
    pseudo = torch.tensor([[11, 12, 9], [4, 5, 6]])

    def after_one_step(pooled: Tensor, moved: Tensor) -> Tensor:
        """Pseudo items as `pooled` has it, their vectors shifted by `moved` / K."""
        torch.manual_seed(3)  # the same negatives
        vectors = model._through(pseudo, pooled) + moved.unsqueeze(1) / 3
        return model._meta(vectors, titled.items_BL, augmented, overlap)

    pooled = torch.zeros(2, 8, dtype=torch.double, requires_grad=True)
    still = torch.zeros(2, 8, dtype=torch.double)
    after_one_step(pooled, still).backward()
    for row, column in ((0, 0), (0, 5), (1, 2)):
        step = torch.zeros(2, 8, dtype=torch.double)
        step[row, column] = 1e-4
        rise = after_one_step(pooled, step) - after_one_step(pooled, -step)
        assert pooled.grad[row, column].item() == pytest.approx(rise.item() / 2e-4, rel=1e-4)


def test_titles_that_are_padding_change_nothing():
    model = _model()
    changed = _titled([True, True, False])
    noisy = changed._replace(title_BTE=changed.title_BTE.clone())
    noisy.title_BTE[:, 2] = 100.0

    def meta(titled: TitledUsers) -> float:
        torch.manual_seed(1)
        return model.loss(LLMCDSRBatch(SEQUENCES, titled, SEQUENCES))["meta"].item()

    assert meta(changed) == meta(noisy)
