"""Band filters, auto-correlation and delays against loops, sums of cosines and torch's FFT."""

import cmath
import math

import pytest
import torch

from models.blocks.frequency import (
    auto_correlation,
    band_filter,
    delay_matrix,
    delay_weights,
    ramp_band,
)


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_bands_slide_from_high_to_low_frequencies():
    # 26 frequencies; 0.6 of them are 15.6, and the last block must reach the lowest.
    assert [ramp_band(block, 2, 50, 0.6) for block in (0, 1)] == [range(10, 26), range(0, 16)]
    assert [ramp_band(block, 3, 22, 0.5) for block in (0, 1, 2)] == [
        range(6, 12),
        range(3, 9),
        range(0, 6),
    ]


def test_narrow_bands_tile_the_spectrum():
    assert [ramp_band(block, 2, 50, 0.2) for block in (0, 1)] == [range(13, 26), range(0, 13)]


def test_one_block_keeps_the_highest_share():
    assert ramp_band(0, 1, 50, 1.0) == range(0, 26)


@pytest.mark.parametrize("length", [7, 8])
def test_a_filter_keeps_the_waves_of_its_band_alone(length):
    filter_TT = band_filter(range(1, 3), length)
    for frequency in range(length // 2 + 1):
        angles = [2 * math.pi * frequency * t / length + 0.4 for t in range(length)]
        wave_T = torch.tensor([math.cos(angle) for angle in angles])

        kept_T = wave_T if frequency in (1, 2) else torch.zeros(length)
        torch.testing.assert_close(filter_TT @ wave_T, kept_T, atol=1e-6, rtol=0)


def test_auto_correlation_sums_products_over_each_delay():
    query, key = _noise(2, 5, 3), _noise(2, 10, 3)[:, 5:]
    every_frequency_TT = band_filter(range(0, 5), 8)

    correlation_BT = auto_correlation(query, key, every_frequency_TT)

    for row in range(2):
        for delay in range(8):
            total = 0.0
            for t in range(5):
                s = (t - delay) % 8
                if s < 5:  # the rest of the circle is zero
                    total += sum(query[row, t, d].item() * key[row, s, d].item() for d in range(3))
            assert correlation_BT[row, delay].item() == pytest.approx(total / 3, abs=1e-5)


def test_auto_correlation_is_that_of_the_fourier_transform():
    query, key = _noise(2, 5, 3), _noise(2, 10, 3)[:, 5:]
    band = range(1, 4)

    spectrum = torch.fft.rfft(query, n=9, dim=1) * torch.fft.rfft(key, n=9, dim=1).conj()
    spectrum[:, : band.start] = 0
    spectrum[:, band.stop :] = 0
    expected_BT = torch.fft.irfft(spectrum, n=9, dim=1).mean(dim=2)

    torch.testing.assert_close(auto_correlation(query, key, band_filter(band, 9)), expected_BT)


def test_a_filter_is_the_fourier_sum_over_its_band():
    # Row 0, column s: the sum of e^(-2 pi i f s / T) over the band and its mirror, over T.
    filter_TT = band_filter(range(1, 3), 6)
    for s in range(6):
        terms = [cmath.exp(-2j * math.pi * f * s / 6) for f in (-2, -1, 1, 2)]
        assert filter_TT[0, s].item() == pytest.approx(sum(terms).real / 6, abs=1e-6)


def test_each_row_weights_its_own_strongest_delays():
    correlation = torch.tensor([[0.0, 2.0, 1.0, -1.0], [3.0, 0.0, 1.0, 2.0]])

    weights = delay_weights(correlation, num_delays=2, shared=False)

    high, low = math.e / (1 + math.e), 1 / (1 + math.e)
    torch.testing.assert_close(
        weights, torch.tensor([[0.0, high, low, 0.0], [high, 0.0, 0.0, low]])
    )


def test_a_batch_shares_the_delays_of_its_mean():
    correlation = torch.tensor([[0.0, 2.0, 1.0, -1.0], [3.0, 0.0, 1.0, 2.0]])

    weights = delay_weights(correlation, num_delays=2, shared=True)

    # The means are 1.5, 1, 1, .5; of the tie at 1 either may be taken.
    assert (weights[:, 0] > 0).all() and ((weights > 0).sum(dim=1) == 2).all()
    assert ((weights[0] > 0) == (weights[1] > 0)).all()


@pytest.mark.parametrize("asked", [slice(None), slice(-1, None)])
def test_values_are_rolled_back_by_each_delay(asked):
    weight_BT, value = torch.rand(2, 6, generator=torch.Generator().manual_seed(1)), _noise(2, 4, 3)
    circle = torch.cat([value, torch.zeros(2, 2, 3)], dim=1)

    expected = torch.zeros(2, 6, 3)
    for delay in range(6):
        rolled = torch.roll(circle, -delay, dims=1)
        expected += weight_BT[:, delay, None, None] * rolled

    torch.testing.assert_close(delay_matrix(weight_BT, 4, asked) @ value, expected[:, :4][:, asked])
