"""Stage 1: one domain never touches another, and texts and ids share one space."""

import pytest
import torch

from models.batch import ItemSpace, SequenceBatch
from models.blocks.transformer import EncoderConfig
from models.lgcd_encoders import DomainEncoders, DomainEncodersConfig

SPACE = ItemSpace(sizes=(6, 8))
TEXT = torch.randn(15, 5, generator=torch.Generator().manual_seed(0))


def _encoders(**settings: object) -> DomainEncoders:
    torch.manual_seed(0)
    config = DomainEncodersConfig(
        space=SPACE, text_width=5, encoder=EncoderConfig(width=8, dropout=0.0), **settings
    )
    return DomainEncoders(config, TEXT)


def test_a_domain_trains_its_own_items_and_encoders_alone():
    encoders = _encoders(share_domains=False)
    sum(
        encoders.loss(SequenceBatch(torch.tensor([[0, 1, 2, 3], [4, 5, 6, 1]]))).values()
    ).backward()

    assert encoders.item.weight.grad[1:7].abs().sum() > 0
    assert (encoders.item.weight.grad[7:] == 0).all()
    assert all(parameter.grad is None for parameter in encoders.own(1).parameters())


def test_a_batch_of_both_domains_is_the_mean_over_all_labels():
    encoders = _encoders()
    first, second = torch.tensor([[0, 1, 2, 3]]), torch.tensor([[0, 0, 8, 9]])

    loss, one, other = (
        encoders.loss(SequenceBatch(items))["next_item"].item()
        for items in (torch.cat([first, second]), first, second)
    )

    assert loss == pytest.approx((2 * one + other) / 3, rel=1e-5)


def test_a_sequence_of_mixed_domains_is_refused():
    with pytest.raises(ValueError, match="1 of 2 sequences hold items of several domains"):
        _encoders().loss(SequenceBatch(torch.tensor([[1, 2], [1, 7]])))


def test_only_the_last_position_learns_when_asked_to():
    every, last = _encoders(), _encoders(pretrain_positions="last")
    items_BL = torch.tensor([[1, 2, 3, 4]])

    assert every.loss(SequenceBatch(items_BL)) != last.loss(SequenceBatch(items_BL))
    # With one label in the sequence both are the same.
    torch.testing.assert_close(
        every.loss(SequenceBatch(items_BL[:, :2])), last.loss(SequenceBatch(items_BL[:, :2]))
    )


def test_the_text_loss_can_be_left_out():
    losses = _encoders(text_aux=0).loss(SequenceBatch(torch.tensor([[1, 2, 3]])))

    assert list(losses) == ["next_item"]


def test_known_texts_encode_as_the_history_of_their_items():
    encoders, items_BL = _encoders().eval(), torch.tensor([[0, 7, 9], [8, 9, 7]])

    by_text = encoders.encode_texts(1, TEXT[items_BL], items_BL != 0)

    torch.testing.assert_close(by_text, encoders.text_states(1, items_BL)[:, -1])


def test_items_and_states_share_one_fusion():
    encoders, ids = _encoders(), torch.tensor([7, 9])
    both = torch.cat([encoders.item(ids), encoders.text_vectors(1, ids)], dim=1)

    torch.testing.assert_close(encoders.item_vectors(1, ids), encoders.own(1).fusion(both))


@pytest.mark.parametrize("share_domains", [True, False])
def test_rows_of_both_domains_are_read_each_by_its_own_encoder(share_domains):
    encoders = _encoders(share_domains=share_domains)
    if not share_domains:
        torch.nn.init.normal_(encoders.own(1).text_projection.weight)
        torch.nn.init.normal_(encoders.own(1).id_encoder.position)
    domain_B, items_BL = torch.tensor([1, 0, 1]), torch.tensor([[0, 7, 9], [1, 2, 3], [0, 0, 8]])

    for encode in (encoders.id_states, encoders.text_states):
        states_BLD = encoders.states_of(domain_B, encode, items_BL)
        for row, domain in enumerate(domain_B.tolist()):
            alone = encode(domain, items_BL[row : row + 1])
            torch.testing.assert_close(states_BLD[row : row + 1], alone)
        # A batch may ask for one domain alone.
        own = encoders.states_of(domain_B[:1], encode, items_BL[:1])
        torch.testing.assert_close(own, states_BLD[:1])


def test_text_vectors_are_centred_scaled_and_not_stored():
    encoders = _encoders()

    assert encoders.text_VE[1:].mean(dim=0).abs().max() < 1e-5
    assert encoders.text_VE[1:7].mean(dim=0).abs().max() < 1e-5
    assert encoders.text_VE[1:].square().mean().item() == pytest.approx(1, abs=1e-4)
    assert not [name for name in encoders.state_dict() if name.startswith("text_")]


def test_text_vectors_of_another_catalogue_are_refused():
    with pytest.raises(ValueError, match=r"shape \(14, 5\), need \(15, 5\)"):
        DomainEncoders(DomainEncodersConfig(space=SPACE, text_width=5), TEXT[:-1])


@pytest.mark.parametrize("pretrain_negatives", [None, 6])
def test_stage_one_learns_which_item_follows_which(pretrain_negatives):
    encoders = _encoders(pretrain_negatives=pretrain_negatives)
    batch = SequenceBatch(torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]))
    optimizer = torch.optim.Adam(encoders.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        sum(encoders.loss(batch).values()).backward()
        optimizer.step()

    encoders.eval()
    ids, history_BL = torch.arange(7, 15), batch.items_BL[2:, :-1]
    both = encoders.id_states(1, history_BL)[:, -1], encoders.text_states(1, history_BL)[:, -1]
    scores = encoders.fuse(1, *both) @ encoders.item_vectors(1, ids).T
    assert ids[scores.argmax(dim=1)].tolist() == [9, 12]


def test_domains_start_alike_and_share_their_parameters_on_demand():
    shared, apart = _encoders(share_domains=True), _encoders(share_domains=False)
    twin = SPACE.ids(1).start
    text = TEXT.clone()
    text[twin : twin + 6] = text[1:7] + 3  # the first domain's texts again, elsewhere in space
    twins = DomainEncoders(apart.config, text)

    assert shared.own(0) is shared.own(1)
    assert apart.own(0) is not apart.own(1)
    for name, value in apart.own(0).state_dict().items():
        torch.testing.assert_close(value, apart.own(1).state_dict()[name])
    difference = twins.text_vectors(0, torch.tensor([1])) - twins.text_vectors(0, torch.tensor([2]))
    there = twins.text_vectors(1, torch.tensor([twin])) - twins.text_vectors(
        1, torch.tensor([twin + 1])
    )
    torch.testing.assert_close(difference, there, atol=1e-5, rtol=1e-4)


def test_the_projection_starts_at_the_principal_axes():
    encoders = _encoders()
    weight = encoders.own(0).text_projection.weight.detach()
    projected = encoders.text_VE[1:] @ weight.T

    covariance = projected.T @ projected / len(projected)
    off_diagonal = covariance - covariance.diagonal().diag()
    assert off_diagonal.abs().max() < 1e-5  # axes are uncorrelated
    assert (covariance.diagonal().diff() <= 1e-6).all()  # in order of variance
    assert covariance.diagonal().mean().sqrt().item() == pytest.approx(0.1, rel=1e-3)
