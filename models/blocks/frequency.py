"""Attention in the frequency domain: band filters, auto-correlation, delay aggregation.

Du et al., "Frequency Enhanced Hybrid Attention Network for Sequential Recommendation", SIGIR
2023; its auto-correlation is that of Wu et al., "Autoformer", NeurIPS 2021.

A transform has a fixed length, and positions after the history are zeros of the circle that it
sees. All operations here are circular, so it does not matter where on the circle a history lies,
and histories stay as short as they are: an ideal band filter is a circulant matrix and a
correlation a sum over the diagonals of a Gram matrix. For the lengths of histories this costs
less than the FFTs of each channel and gives the same numbers.

Shapes: B batch, L history length, T length of the transform (L <= T), D width, M delays.
"""

import torch
from torch import Tensor


def ramp_band(block: int, num_blocks: int, length: int, global_ratio: float) -> range:
    """The rFFT frequencies that a block keeps, out of 0 .. length // 2.

    They slide from high ones in the first block to low ones in the last. Bands overlap where
    `global_ratio` exceeds 1 / `num_blocks` and tile the spectrum where it does not. Rounding is
    that of the authors' code, in which overlapping bands slide by whole frequencies.
    """
    frequencies = length // 2 + 1
    if global_ratio > 1 / num_blocks:
        width = global_ratio
        slide = frequencies * (1 - width) // max(num_blocks - 1, 1)
    else:
        width = 1 / num_blocks
        slide = frequencies * width
    return range(int(frequencies * (1 - width) - block * slide), int(frequencies - block * slide))


def band_filter(band: range, length: int) -> Tensor:
    """A symmetric circulant matrix [T, T]: rFFT, keep the frequencies of `band`, back."""
    spectrum_F = torch.zeros(length // 2 + 1, dtype=torch.float64)
    spectrum_F[band.start : band.stop] = 1
    kernel_T = torch.fft.irfft(spectrum_F.to(torch.complex128), n=length)
    return kernel_T[lags(length, length)].float()


def lags(size: int, length: int) -> Tensor:
    """How far row t lies after column s on a circle of `length`, [size, size]: (t - s) mod T."""
    position = torch.arange(size)
    return (position.unsqueeze(1) - position) % length


def auto_correlation(query_BLD: Tensor, key_BLD: Tensor, filter_TT: Tensor) -> Tensor:
    """How alike queries are to the keys each delay before them, band-filtered, [B, T].

    irFFT(band * rFFT(q) * conj(rFFT(k))), the mean over channels; zeros at padding.
    """
    size, width = query_BLD.shape[1:]
    gram_BLL = query_BLD @ key_BLD.transpose(1, 2) / width
    delay_LLT = filter_TT[lags(size, len(filter_TT))]
    return gram_BLL.flatten(1) @ delay_LLT.flatten(0, 1)


def delay_weights(correlation_BT: Tensor, num_delays: int, shared: bool) -> Tensor:
    """The softmax over the `num_delays` strongest delays, zero at all others, [B, T].

    `shared` lets the batch choose its delays together, by their mean correlation.
    """
    chosen_BT = correlation_BT.mean(dim=0, keepdim=True) if shared else correlation_BT
    delay_BM = chosen_BT.topk(num_delays, dim=1).indices.expand(len(correlation_BT), -1)
    weight_BM = correlation_BT.gather(1, delay_BM).softmax(dim=1)
    return torch.zeros_like(correlation_BT).scatter(1, delay_BM, weight_BM)


def delay_matrix(weight_BT: Tensor, size: int, asked: slice) -> Tensor:
    """[B, asked, L]: times values, it sums them rolled back by each delay with its weight.

    Of the `size` positions of the result only those `asked` for are there.
    """
    length = weight_BT.shape[1]
    one_TT = torch.eye(length, device=weight_BT.device)
    roll_LLT = one_TT[lags(size, length).T[asked]]
    return (weight_BT @ roll_LLT.flatten(0, 1).T).unflatten(1, (-1, size))
