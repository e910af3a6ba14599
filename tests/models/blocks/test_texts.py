"""Text vectors centred and scaled; their principal axes against a singular value decomposition."""

import pytest
import torch

from models.batch import ItemSpace
from models.blocks.texts import principal_axes, standardised

SPACE = ItemSpace(sizes=(6, 5))


def _texts() -> torch.Tensor:
    return 3 + torch.randn(12, 4, generator=torch.Generator().manual_seed(0))


def test_each_domain_is_centred_and_all_share_one_scale():
    text_VE, mean_SE, scale = standardised(_texts(), SPACE)

    assert (text_VE[0] == 0).all()
    for domain in range(2):
        own = text_VE[SPACE.columns(domain)]
        torch.testing.assert_close(own.mean(dim=0), torch.zeros(4), atol=1e-6, rtol=0)
        torch.testing.assert_close(own * scale + mean_SE[domain], _texts()[SPACE.columns(domain)])
    torch.testing.assert_close(text_VE[1:].square().mean(), torch.tensor(1.0))


def test_a_row_too_few_is_an_error():
    with pytest.raises(ValueError, match="need 12 rows"):
        standardised(_texts()[:-1], SPACE)


def test_axes_are_the_right_singular_vectors():
    texts = torch.randn(50, 4, generator=torch.Generator().manual_seed(1)) * torch.tensor(
        [1, 5, 2, 9]
    )
    axis_AE = principal_axes(texts, 2)

    expected = torch.linalg.svd(texts, full_matrices=False).Vh[:2]
    torch.testing.assert_close((axis_AE @ expected.T).abs(), torch.eye(2), atol=1e-4, rtol=0)


def test_more_axes_than_there_are_stay_zero():
    axis_AE = principal_axes(torch.randn(20, 3, generator=torch.Generator().manual_seed(2)), 5)

    assert (axis_AE[3:] == 0).all()
    torch.testing.assert_close(axis_AE[:3] @ axis_AE[:3].T, torch.eye(3), atol=1e-5, rtol=0)
