"""The U-Net of vectors against explicit matrices, and the widths that the sheet of sizes names."""

import pytest
import torch

from models.blocks.denoisers import sinusoid
from models.blocks.vector_unet import VectorUNet, VectorUNetConfig

ACTIVATIONS = {
    "tanh": torch.tanh,
    "relu": lambda x: x.clamp(min=0),
    "silu": lambda x: x * torch.sigmoid(x),
}


def _unet(**settings) -> VectorUNet:
    torch.manual_seed(0)
    unet = VectorUNet(VectorUNetConfig(**settings))
    for parameter in unet.parameters():  # LayerNorm's ones and zeros would hide mistakes
        torch.nn.init.normal_(parameter, std=0.5)
    return unet.requires_grad_(False)


def _norm(x, weight, bias):
    mean, var = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def _block(weights, name, x, embedding, act):
    def norm_linear(part, x):
        x = _norm(x, weights[f"{name}.{part}.0.weight"], weights[f"{name}.{part}.0.bias"])
        linear = weights[f"{name}.{part}.1.weight"], weights[f"{name}.{part}.1.bias"]
        return act(x @ linear[0].T + linear[1])

    added = embedding @ weights[f"{name}.embedding.weight"].T + weights[f"{name}.embedding.bias"]
    output = norm_linear("second", norm_linear("first", x) + added)
    return output + x if x.shape == output.shape else output


@pytest.mark.parametrize("act", ["tanh", "relu", "silu"])
def test_a_tiny_unet_is_its_matrices_written_out(act):
    unet = _unet(width=4, condition_width=3, widths=(6, 5), embedding_width=8, act=act)
    weights, f = unet.state_dict(), ACTIVATIONS[act]
    x, condition = torch.randn(3, 4), torch.randn(3, 3)
    step, given = torch.tensor([1, 4, 9]), torch.tensor([True, False, True])

    hidden = sinusoid(step, 8) @ weights["time.mlp.0.weight"].T + weights["time.mlp.0.bias"]
    hidden = hidden * torch.sigmoid(hidden)
    time = hidden @ weights["time.mlp.2.weight"].T + weights["time.mlp.2.bias"]
    shown = condition @ weights["condition.weight"].T + weights["condition.bias"]
    embedding = time + torch.stack([shown[0], weights["null"], shown[2]])
    down_1 = _block(weights, "down.0", x, embedding, f)
    down_2 = _block(weights, "down.1", down_1, embedding, f)
    middle = _block(weights, "bottleneck", down_2, embedding, f)
    up_2 = _block(weights, "up.1", torch.cat([middle, down_2], 1), embedding, f)
    up_1 = _block(weights, "up.0", torch.cat([up_2, down_1], 1), embedding, f)
    expected = up_1 @ weights["head.weight"].T + weights["head.bias"]

    torch.testing.assert_close(unet(x, step, condition, given), expected)


def test_the_default_widths_are_those_of_the_design():
    unet = _unet()
    linears = {
        name: tuple(weight.T.shape)
        for name, weight in unet.state_dict().items()
        if name.endswith("first.1.weight") or name == "head.weight"
    }

    assert linears == {
        "down.0.first.1.weight": (32, 128),
        "down.1.first.1.weight": (128, 64),
        "bottleneck.first.1.weight": (64, 64),
        "up.1.first.1.weight": (128, 128),
        "up.0.first.1.weight": (256, 128),
        "head.weight": (128, 32),
    }


@pytest.mark.parametrize("widths", [(16,), (16, 8), (24, 12, 6)])
def test_any_depth_gives_back_the_width_of_its_vectors(widths):
    unet = _unet(width=10, condition_width=7, widths=widths, embedding_width=16)

    output = unet(torch.randn(5, 10), torch.arange(5), torch.randn(5, 7), torch.ones(5) > 0)

    assert output.shape == (5, 10) and output.isfinite().all()


def test_a_hidden_condition_changes_nothing_and_a_shown_one_does():
    unet, x, step = _unet(), torch.randn(2, 32), torch.tensor([3, 3])
    one, other = torch.randn(2, 32), torch.randn(2, 32)
    hidden, shown = torch.tensor([False, False]), torch.tensor([True, True])

    assert torch.equal(unet(x, step, one, hidden), unet(x, step, other, hidden))
    assert not torch.allclose(unet(x, step, one, shown), unet(x, step, other, shown))


def test_guidance_goes_beyond_the_condition_by_its_scale():
    unet, x, step = _unet(), torch.randn(2, 32), torch.tensor([3, 5])
    condition, given = torch.randn(2, 32), torch.tensor([True, False])
    shown = unet(x, step, condition, given)
    blind = unet(x, step, condition, torch.zeros(2) > 0)

    assert torch.equal(unet.guided(x, step, condition, given, 0), shown)
    guided = unet.guided(x, step, condition, given, 0.5)
    torch.testing.assert_close(guided, 1.5 * shown - 0.5 * blind)
    torch.testing.assert_close(guided[1], shown[1])


def test_impossible_shapes_are_refused():
    with pytest.raises(ValueError, match=r"widths=\(\)"):
        VectorUNetConfig(widths=())
    with pytest.raises(ValueError, match="embedding_width=7"):
        VectorUNetConfig(embedding_width=7)
