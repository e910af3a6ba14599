"""Noise that depends on a case's own history and on the seed alone."""

import torch

from models.blocks.case_noise import case_noise


def test_noise_belongs_to_its_history_and_its_seed():
    noise = case_noise(torch.tensor([[1, 2], [2, 1], [1, 2]]), 3, 4, seed=0)

    assert noise.shape == (3, 3, 4)
    assert torch.equal(noise[:, 0], noise[:, 2])
    assert not torch.equal(noise[:, 0], noise[:, 1])
    assert torch.equal(noise[:, :1], case_noise(torch.tensor([[0, 0, 1, 2]]), 3, 4, seed=0))
    assert not torch.equal(noise[:, :1], case_noise(torch.tensor([[1, 2]]), 3, 4, seed=1))


def test_noise_over_many_histories_is_standard_normal():
    histories_BL = torch.arange(1, 2001).unsqueeze(1)

    noise = case_noise(histories_BL, 1, 8, seed=3)

    assert abs(noise.mean().item()) < 0.03 and abs(noise.std().item() - 1) < 0.03
    # Neighbouring ids must not have neighbouring noise.
    correlation = torch.corrcoef(torch.stack([noise[0, :-1, 0], noise[0, 1:, 0]]))[0, 1]
    assert abs(correlation.item()) < 0.1
