"""Schedules against known values; the way back against what a perfect denoiser must give."""

import math

import pytest
import torch

from models.blocks.diffusion import DiffusionConfig, GaussianDiffusion, betas


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_sqrt_linear_has_the_published_values():
    diffusion = GaussianDiffusion(DiffusionConfig())

    assert betas(DiffusionConfig())[49].item() == pytest.approx(0.0297521, abs=1e-7)
    known = {0: 1.0, 1: 0.999, 10: 0.979649, 30: 0.834818, 50: 0.542030, 70: 0.232809}
    for step, value in {**known, 100: 0.0216680}.items():
        assert diffusion.alpha_bar[step] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("num_steps, last", [(50, 0.146067), (150, 0.00321409), (200, 4.76734e-4)])
def test_sqrt_linear_with_other_step_counts(num_steps, last):
    diffusion = GaussianDiffusion(DiffusionConfig(num_steps=num_steps))

    assert diffusion.alpha_bar[-1] == pytest.approx(last, rel=1e-5)


@pytest.mark.parametrize(
    "num_steps, step, value",
    [(1000, 500, 0.0785872), (1000, 1000, 4.03583e-5), (10, 10, 0.90374), (50, 50, 0.60295)],
)
def test_linear_has_the_published_values(num_steps, step, value):
    config = DiffusionConfig(num_steps=num_steps, beta_min=1e-4, beta_max=0.02, schedule="linear")

    assert GaussianDiffusion(config).alpha_bar[step] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    "num_steps, step, value",
    [(10, 5, 0.493844), (10, 10, 2.409e-6), (15, 15, 1.0756e-6), (100, 50, 0.493844)],
)
def test_cosine_has_the_published_values(num_steps, step, value):
    config = DiffusionConfig(num_steps=num_steps, schedule="cosine")

    assert GaussianDiffusion(config).alpha_bar[step] == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("step", [1, 16, 100])
def test_knowing_the_noise_recovers_the_clean_vector(step):
    diffusion = GaussianDiffusion(DiffusionConfig())
    x0_ND, eps_ND = _normal(4, 8), _normal(4, 8, seed=1)
    step_N = torch.full((4,), step)

    noisy_ND = diffusion.add_noise(x0_ND, step_N, eps_ND)

    torch.testing.assert_close(
        diffusion.predict_x0(noisy_ND, step_N, eps_ND), x0_ND, rtol=1e-4, atol=1e-5
    )


def test_noised_vectors_keep_unit_variance():
    diffusion = GaussianDiffusion(DiffusionConfig())
    x0_ND, eps_ND = _normal(20_000, 2), _normal(20_000, 2, seed=1)

    for step in (1, 30, 100):
        noisy_ND = diffusion.add_noise(x0_ND, torch.full((20_000,), step), eps_ND)
        assert noisy_ND.var().item() == pytest.approx(1.0, abs=0.03)


def test_noise_around_one_point_has_the_closed_form_spread():
    diffusion = GaussianDiffusion(DiffusionConfig())
    noisy_ND = diffusion.add_noise(
        torch.full((40_000, 1), 2.0), torch.full((40_000,), 50), _normal(40_000, 1)
    )

    deviation = 3 * math.sqrt(0.45797 / 40_000)
    assert noisy_ND.mean().item() == pytest.approx(2 * math.sqrt(0.54203), abs=deviation)
    assert noisy_ND.var().item() == pytest.approx(1 - 0.54203, rel=0.03)


def test_the_posterior_is_that_of_two_steps_worked_by_hand():
    # betas 0.1 and 0.4: alpha_bar_1 = 0.9, alpha_bar_2 = 0.54.
    config = DiffusionConfig(num_steps=2, beta_min=0.1, beta_max=0.4, schedule="linear")
    of_x0, of_noisy, deviation = GaussianDiffusion(config).posterior(2, 1)

    assert of_x0 == pytest.approx(math.sqrt(0.9) * 0.4 / 0.46)
    assert of_noisy == pytest.approx(math.sqrt(0.6) * 0.1 / 0.46)
    assert deviation == pytest.approx(math.sqrt(0.1 / 0.46 * 0.4))


def test_the_last_posterior_is_the_clean_vector_without_noise():
    diffusion = GaussianDiffusion(DiffusionConfig())

    assert diffusion.posterior(1, 0) == pytest.approx((1.0, 0.0, 0.0))


@pytest.mark.parametrize("target", ["x0", "eps"])
@pytest.mark.parametrize("step", [2, 40, 100])
def test_the_kl_weight_gives_the_divergence_of_the_two_posteriors(step, target):
    diffusion = GaussianDiffusion(DiffusionConfig(target=target))
    truth, guess, noisy_ND = _normal(1, 6), _normal(1, 6, seed=1), _normal(1, 6, seed=2)
    step_N = torch.tensor([step])
    x0, guessed = (diffusion.x0_of(output, noisy_ND, step_N) for output in (truth, guess))
    deviation = torch.tensor(diffusion.posterior(step, step - 1)[2])
    true, model = (
        torch.distributions.Normal(diffusion.posterior_mean(x, noisy_ND, step), deviation)
        for x in (x0, guessed)
    )
    expected = torch.distributions.kl_divergence(true, model).sum()

    weighed = diffusion.kl_weight(step_N) * (guess - truth).square().sum()

    torch.testing.assert_close(weighed.squeeze(), expected, rtol=1e-3, atol=1e-6)


def test_the_kl_weight_of_noise_is_the_published_factor():
    # beta_t^2 / (2 sigma_t^2 alpha_t (1 - alpha_bar_t)), Ho et al., eq. 12, sigma_t^2 = beta_t.
    config = DiffusionConfig(target="eps", variance="forward")
    diffusion, beta_T = GaussianDiffusion(config), betas(config)

    for step in (2, 30, 100):
        beta = beta_T[step - 1].item()
        expected = beta / (2 * (1 - beta) * (1 - diffusion.alpha_bar[step]))
        assert diffusion.kl_weight(torch.tensor(step)).item() == pytest.approx(expected, rel=1e-4)


def test_the_kl_weight_is_finite_at_every_step():
    for num_steps in (1, 2, 100):
        for target in ("x0", "eps"):
            diffusion = GaussianDiffusion(DiffusionConfig(num_steps=num_steps, target=target))
            weight_T = diffusion.kl_weight(torch.arange(1, num_steps + 1))
            assert weight_T.isfinite().all() and (weight_T > 0).all()


def test_stepping_back_by_the_posterior_restores_the_earlier_marginal():
    """q(x_30 | x_80, x0) over x_80 ~ q(x_80 | x0) must be q(x_30 | x0), also when striding."""
    diffusion = GaussianDiffusion(DiffusionConfig())
    x0_ND = torch.full((40_000, 1), 1.5)
    x80_ND = diffusion.add_noise(x0_ND, torch.full((40_000,), 80), _normal(40_000, 1))

    x30_ND = diffusion.posterior_mean(x0_ND, x80_ND, 80, 30)
    x30_ND = x30_ND + diffusion.posterior(80, 30)[2] * _normal(40_000, 1, seed=1)

    assert x30_ND.mean().item() == pytest.approx(1.5 * math.sqrt(0.834818), abs=0.01)
    assert x30_ND.var().item() == pytest.approx(1 - 0.834818, rel=0.03)


@pytest.mark.parametrize("num_reverse_steps", [None, 1, 7])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_perfect_denoiser_gives_the_clean_vector_exactly(num_reverse_steps, eta):
    diffusion = GaussianDiffusion(DiffusionConfig())
    x0_ND, path = _normal(5, 4), diffusion.path(100, num_reverse_steps)

    generated_ND = diffusion.reverse(
        lambda x_ND, step_N: x0_ND, torch.zeros(5, 4), path, _normal(len(path), 5, 4), eta=eta
    )

    assert torch.equal(generated_ND, x0_ND)


def test_both_targets_lead_to_the_same_vector():
    by_x0 = GaussianDiffusion(DiffusionConfig())
    by_eps = GaussianDiffusion(DiffusionConfig(target="eps"))
    x0_ND, noisy_ND, step_N = _normal(3, 4), _normal(3, 4, seed=1), torch.tensor([5, 50, 90])
    spread_N1 = (1 - by_x0.signal[step_N, None] ** 2).sqrt()
    eps_ND = (noisy_ND - by_x0.signal[step_N, None] * x0_ND) / spread_N1

    torch.testing.assert_close(
        by_eps.x0_of(eps_ND, noisy_ND, step_N),
        by_x0.x0_of(x0_ND, noisy_ND, step_N),
        rtol=1e-3,
        atol=1e-5,
    )


def test_the_way_back_starts_from_the_noised_prior():
    diffusion, seen = GaussianDiffusion(DiffusionConfig()), []
    prior_ND, eps_SND = _normal(2, 3), _normal(30, 2, 3, seed=1)

    def denoise(x_ND, step_N):
        seen.append((int(step_N[0]), x_ND.clone()))
        return x_ND

    diffusion.reverse(denoise, prior_ND, diffusion.path(30, None), eps_SND)

    expected = math.sqrt(0.834818) * prior_ND + math.sqrt(1 - 0.834818) * eps_SND[0]
    torch.testing.assert_close(seen[0][1], expected, rtol=1e-4, atol=1e-5)
    assert [step for step, _ in seen] == list(range(30, 0, -1))


def test_eta_zero_ignores_all_noise_but_the_first():
    diffusion = GaussianDiffusion(DiffusionConfig())
    path, prior_ND, eps_SND = diffusion.path(20, None), _normal(2, 3), _normal(20, 2, 3)
    other_SND = torch.cat([eps_SND[:1], _normal(19, 2, 3, seed=2)])

    walks = [
        diffusion.reverse(lambda x, step: x / 2, prior_ND, path, eps, eta=eta)
        for eta in (0.0, 1.0)
        for eps in (eps_SND, other_SND)
    ]

    assert torch.equal(walks[0], walks[1])
    assert not torch.allclose(walks[2], walks[3])


def test_paths_are_strided_evenly_and_end_at_one():
    diffusion = GaussianDiffusion(DiffusionConfig())

    assert diffusion.path(5, None) == [5, 4, 3, 2, 1]
    assert diffusion.path(9, 3) == [9, 5, 1]
    assert diffusion.path(3, 8) == [3, 2, 1]
    assert diffusion.start_step(0.3) == 30 and diffusion.start_step(0.001) == 1


@pytest.mark.parametrize("backprop_steps, calls_with_graph", [(1, 1), (3, 3), (None, 10)])
def test_the_gradient_passes_the_last_calls_only(backprop_steps, calls_with_graph):
    diffusion = GaussianDiffusion(DiffusionConfig())
    scale, prior_ND = torch.ones(1, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    with_graph = []

    def denoise(x_ND, step_N):
        with_graph.append((x_ND * scale).requires_grad)
        return x_ND * scale

    path = diffusion.path(10, None)
    generated = diffusion.reverse(
        denoise, prior_ND, path, _normal(10, 2, 3), backprop_steps=backprop_steps
    )
    generated.sum().backward()

    assert sum(with_graph) == calls_with_graph and with_graph[-1]
    assert (prior_ND.grad is not None) == (backprop_steps is None)
    assert scale.grad.isfinite().all() and scale.grad.abs() > 0


def test_random_steps_reach_both_ends_and_follow_their_generator():
    diffusion = GaussianDiffusion(DiffusionConfig(num_steps=3))
    draws = [
        diffusion.random_steps(torch.zeros(200, 2), torch.Generator().manual_seed(4))
        for _ in range(2)
    ]

    assert set(draws[0].tolist()) == {1, 2, 3}
    assert torch.equal(*draws)


def test_tables_are_not_weights():
    assert not GaussianDiffusion(DiffusionConfig()).state_dict()


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match=r"beta_max=1\.5"):
        DiffusionConfig(beta_max=1.5)
    with pytest.raises(ValueError, match="strength=0"):
        GaussianDiffusion(DiffusionConfig()).start_step(0)


def test_trunc_lin_has_the_published_values():
    config = DiffusionConfig(num_steps=32, schedule="trunc_lin")
    diffusion = GaussianDiffusion(config)

    assert betas(config)[0].item() == pytest.approx(0.013125)
    assert betas(config)[-1].item() == pytest.approx(0.635)
    assert diffusion.alpha_bar[1] == pytest.approx(0.986875)
    assert diffusion.alpha_bar[16] == pytest.approx(0.0519830, rel=1e-5)


def test_trunc_lin_of_few_steps_ends_below_one():
    ends = [betas(DiffusionConfig(num_steps=n, schedule="trunc_lin"))[-1].item() for n in (20, 21)]

    assert ends == pytest.approx([0.06, 20 / 21 + 0.01])


def test_the_forward_variance_is_beta_and_none_at_the_end():
    settings = {"num_steps": 2, "beta_min": 0.1, "beta_max": 0.4, "schedule": "linear"}
    large = GaussianDiffusion(DiffusionConfig(variance="forward", **settings))
    small = GaussianDiffusion(DiffusionConfig(**settings))

    assert large.posterior(2, 1)[2] == pytest.approx(math.sqrt(0.4))
    assert large.posterior(2, 1)[:2] == small.posterior(2, 1)[:2]
    assert large.posterior(1, 0) == small.posterior(1, 0) == pytest.approx((1.0, 0.0, 0.0))


def test_the_forward_variance_of_a_stride_is_that_of_all_its_steps():
    large = GaussianDiffusion(DiffusionConfig(num_steps=3, variance="forward"))
    beta_2, beta_3 = betas(large.config)[1:].tolist()

    expected = 1 - (1 - beta_2) * (1 - beta_3)
    assert large.posterior(3, 1)[2] == pytest.approx(math.sqrt(expected))


@pytest.mark.parametrize(
    "num_steps, last",
    [
        (2, 9.50e-4),
        (5, 8.685e-5),
        (10, 8.700e-7),
        (15, 7.374e-9),
        (20, 5.867e-11),
        (50, 7.745e-6),
        (100, 2.039e-5),
    ],
)
def test_linear_scaled_ends_in_noise_at_any_number_of_steps(num_steps, last):
    config = DiffusionConfig(num_steps=num_steps, schedule="linear_scaled")

    assert GaussianDiffusion(config).alpha_bar[-1] == pytest.approx(last, rel=1e-3)


@pytest.mark.parametrize("target, far", [("x0", 3.0), ("eps", -3.0)])
def test_clipped_estimates_keep_a_way_back_in_range(target, far):
    settings = {"num_steps": 10, "schedule": "linear_scaled", "target": target}
    ends = [
        GaussianDiffusion(DiffusionConfig(**settings)).reverse(
            lambda x, step: far * x,
            _normal(4, 3),
            list(range(10, 0, -1)),
            _normal(10, 4, 3),
            clip=clip,
        )
        for clip in (None, (-1.0, 1.0), (-2.0, 0.5))
    ]

    assert ends[0].abs().max() > 2
    assert ends[1].abs().max() == 1
    assert ends[2].min() >= -2 and ends[2].max() <= 0.5
