"""LGCD's switches: each does what its comment says, and no label leaks."""

from dataclasses import replace

import pytest
import torch

from models.batch import ItemSpace, Query, TransferBatch
from models.blocks.denoisers import DenoiserConfig
from models.blocks.diffusion import DiffusionConfig
from models.blocks.transformer import EncoderConfig
from models.lgcd import LGCD, LGCDConfig
from models.lgcd_cases import Grounded, LGCDBatch, gather_cases, swap_direction
from models.lgcd_encoders import DomainEncoders, DomainEncodersConfig

SPACE = ItemSpace(sizes=(8, 9))
TEXT = torch.randn(18, 5, generator=torch.Generator().manual_seed(0))
TRANSFER = TransferBatch(
    source_BL=torch.tensor([[0, 1, 2], [3, 4, 5], [0, 9, 10]]),
    target_BL=torch.tensor([[11, 12], [0, 0], [6, 7]]),  # the second user has no target history
    mixed_BL=torch.tensor([[0, 11, 1, 2, 12], [0, 0, 3, 4, 5], [0, 6, 9, 10, 7]]),
    label_B=torch.tensor([13, 14, 8]),
    domain_B=torch.tensor([1, 1, 0]),
)
GROUNDED = Grounded(
    item_BK=torch.tensor([[13, 11, 12], [14, 0, 0], [8, 6, 7]]),
    score_BK=torch.tensor([[0.9, 0.5, 0.4], [0.7, -torch.inf, -torch.inf], [0.3, 0.2, 0.1]]),
)
BATCH = LGCDBatch(TRANSFER, TRANSFER, GROUNDED)
QUERY = Query(TRANSFER.source_BL, TRANSFER.domain_B)
ENCODERS = DomainEncodersConfig(
    space=SPACE, text_width=5, encoder=EncoderConfig(width=8, dropout=0.0)
)
CONFIG = LGCDConfig(
    encoders=ENCODERS,
    diffusion=DiffusionConfig(num_steps=10),
    denoiser=DenoiserConfig(width=8, dropout=0.0),
    num_experts=2,
)
SWITCHES: list[dict[str, object]] = [
    {},
    {"cond_tokens": "pair"},
    {"cond_tokens": "seq"},
    {"cond": "id"},
    {"cond": "text", "cond_tokens": "seq"},
    {"cond": "none"},
    {"denoiser": DenoiserConfig(width=8, guidance="linear")},
    {"denoiser": DenoiserConfig(width=8, guidance="none")},
    {"denoiser": DenoiserConfig(width=8, guidance="cfg")},
    {"denoiser": DenoiserConfig(width=8, guidance="cfg"), "cond_tokens": "seq"},
    {"diffusion": DiffusionConfig(num_steps=10, target="eps")},
    {"diffusion": DiffusionConfig(num_steps=10, target="eps"), "diffusion_loss": "kl"},
    {"diffusion_loss": "kl"},
    {"pseudo_label": "sampled"},
    {"pseudo_label": "soft"},
    {"pseudo_label": "soft", "num_negatives": 3},
    {"pseudo_label": "real_last", "id_input": "mixed"},
    {"num_reverse_steps": None},
    {"fusion": "linear"},
    {"diffuse": False},
    {"init": "random"},
    {"train_start": "guesser", "backprop_steps": None},
    {"id_input": "mixed"},
    {"tgt_includes_label": True},
    {"num_reverse_steps": 2, "eta": 0.0},
    {"loss_reduction": "sum"},
    {"num_negatives": 3},
    {"freeze_encoders": True},
]


def _lgcd(**settings: object) -> LGCD:
    torch.manual_seed(0)
    return LGCD(replace(CONFIG, **settings), DomainEncoders(ENCODERS, TEXT))


def _losses(model: LGCD, batch: LGCDBatch = BATCH) -> dict[str, float]:
    torch.manual_seed(1)
    return {name: loss.item() for name, loss in model.loss(batch).items()}


@pytest.mark.parametrize("settings", SWITCHES, ids=str)
def test_every_switch_trains_and_scores_in_finite_numbers(settings):
    model = _lgcd(**settings)
    torch.stack(list(model.loss(BATCH).values())).sum().backward()

    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name
    scores_BV = model.eval().score(QUERY)
    assert scores_BV[0, SPACE.columns(1)].isfinite().all()
    assert scores_BV[2, SPACE.columns(0)].isfinite().all()


def test_scores_outside_the_target_domain_are_minus_infinity():
    scores_BV = _lgcd().eval().score(QUERY)

    assert (scores_BV[:2, :9] == -torch.inf).all() and (scores_BV[2, 9:] == -torch.inf).all()


def test_each_sort_of_users_has_its_named_losses():
    both = ["recommend", "guess", "diffusion"]
    assert set(_losses(_lgcd(pseudo_label="sampled"))) == {
        *(f"overlap_{name}" for name in both),
        *(f"pseudo_{name}" for name in [*both, "align"]),
    }
    assert "pseudo_recommend" not in _losses(_lgcd(pseudo_label="none"))
    assert set(_losses(_lgcd(), LGCDBatch(TRANSFER, None))) == {f"overlap_{n}" for n in both}


@pytest.mark.parametrize(
    "settings, gone",
    [
        ({"align": False}, {"pseudo_align"}),
        ({"diff_train": "overlap"}, {"pseudo_diffusion"}),
        ({"diff_train": "pseudo"}, {"overlap_diffusion"}),
        ({"diffuse": False}, {"overlap_diffusion", "pseudo_diffusion"}),
        ({"init": "random"}, {"overlap_guess", "pseudo_guess"}),
    ],
)
def test_an_ablation_leaves_out_its_own_losses_alone(settings, gone):
    assert set(_losses(_lgcd())) - set(_losses(_lgcd(**settings))) == gone


def test_either_sort_of_users_may_be_missing():
    assert set(_losses(_lgcd(), LGCDBatch(None, TRANSFER))) == {
        "pseudo_guess",
        "pseudo_diffusion",
        "pseudo_align",
    }


def test_both_sorts_have_the_losses_that_they_have_alone():
    """Without noise of its own in the way: ranking through the linear guess alone."""
    model = _lgcd(diffuse=False, pseudo_label="sampled").eval()
    other = TransferBatch(*(field.flip(0) for field in TRANSFER))
    both = _losses(model, LGCDBatch(TRANSFER, other))

    for batch in (LGCDBatch(TRANSFER, None), LGCDBatch(None, other)):
        for name, value in _losses(model, batch).items():
            assert both[name] == pytest.approx(value, rel=1e-4), name


def test_a_user_without_target_history_is_left_out_of_guess_and_diffusion():
    model = _lgcd()
    known = TransferBatch(*(field[:1] for field in TRANSFER))
    unknown = TransferBatch(*(field[1:2] for field in TRANSFER))

    alone, neither = (_losses(model, LGCDBatch(part, None)) for part in (known, unknown))
    together = _losses(model, LGCDBatch(TransferBatch(*(f[:2] for f in TRANSFER)), None))

    assert neither["overlap_guess"] == 0 and neither["overlap_diffusion"] == 0
    assert neither["overlap_recommend"] > 0
    assert together["overlap_guess"] == pytest.approx(alone["overlap_guess"], rel=1e-5)


def test_the_target_feature_is_detached_steady_and_of_unit_variance():
    encoders = replace(ENCODERS, encoder=EncoderConfig(width=8, dropout=0.5))
    model = LGCD(replace(CONFIG, encoders=encoders), DomainEncoders(encoders, TEXT)).train()
    cases = gather_cases(LGCDBatch(TRANSFER, None), mixed_ids=False)
    cases = cases.of(cases.domain_B == 1)

    x0_BD, known_B = model.target_feature(cases)

    assert not x0_BD.requires_grad and known_B.tolist() == [True, False]
    assert x0_BD[0].var(unbiased=False).item() == pytest.approx(1, abs=1e-3)
    assert (x0_BD[1] == 0).all()
    assert torch.equal(x0_BD, model.target_feature(cases)[0])  # no dropout
    assert model.encoders.training


@pytest.mark.parametrize("tgt_includes_label", [False, True])
def test_the_label_enters_the_target_feature_only_on_request(tgt_includes_label):
    model = _lgcd(tgt_includes_label=tgt_includes_label)
    cases = gather_cases(LGCDBatch(TRANSFER, None), mixed_ids=False).of(torch.tensor([0]))

    features = [
        model.target_feature(cases._replace(label_B=torch.tensor([label])))[0] for label in (13, 15)
    ]

    assert torch.equal(*features) != tgt_includes_label


@pytest.mark.parametrize("id_input, reads", [("source_only", False), ("mixed", True)])
def test_only_mixed_id_input_reads_the_mixed_history(id_input, reads):
    model = _lgcd(id_input=id_input)
    other = TRANSFER._replace(mixed_BL=TRANSFER.mixed_BL.flip(1))

    same = _losses(model) == _losses(model, LGCDBatch(other, TRANSFER))

    assert same != reads


def test_a_blind_condition_answers_all_users_of_a_direction_alike():
    scores_BV = _lgcd(cond="none", eta=0.0).eval()
    with torch.no_grad():
        scores_BV.diffusion.noise.zero_()  # without the noise of the start, nothing differs
    scores_BV = scores_BV.score(QUERY)

    torch.testing.assert_close(scores_BV[0], scores_BV[1])


@pytest.mark.parametrize("cond, silent", [("id", "text_states"), ("text", "id_states")])
def test_an_ablated_modality_has_no_say(cond, silent, monkeypatch):
    model = _lgcd(cond=cond, cond_tokens="seq").eval()
    before_BV = model.score(QUERY)
    states = getattr(model.encoders, silent)
    monkeypatch.setattr(model.encoders, silent, lambda *args: states(*args) + 1)

    torch.testing.assert_close(model.score(QUERY), before_BV)


def test_the_sum_reduction_is_the_mean_times_the_width():
    mean, total = _losses(_lgcd()), _losses(_lgcd(loss_reduction="sum"))

    for name in ("overlap_guess", "overlap_diffusion", "pseudo_align"):
        assert total[name] == pytest.approx(8 * mean[name], rel=1e-4)
    assert total["overlap_recommend"] == mean["overlap_recommend"]


def test_the_sampling_seed_alone_moves_the_scores():
    model, other = _lgcd().eval(), _lgcd(sampling_seed=1).eval()

    first, second = model.score(QUERY), other.score(QUERY)

    assert not torch.allclose(first[0, 9:], second[0, 9:])


def test_frozen_encoders_get_no_gradient():
    model = _lgcd(freeze_encoders=True)
    torch.stack(list(model.loss(BATCH).values())).sum().backward()

    assert all(parameter.grad is None for parameter in model.encoders.parameters())
    assert model.denoiser.ffn[0].weight.grad.abs().sum() > 0


def test_the_conditions_fusion_starts_from_stage_one_also_when_loaded_later():
    model, stage_one = _lgcd(), DomainEncoders(ENCODERS, TEXT)
    model.encoders.load_state_dict(stage_one.state_dict())
    model.start_from_encoders()

    for domain in range(2):
        own = model.conditioner.fusion[domain].weight
        assert torch.equal(own, stage_one.own(domain).fusion.weight)
        assert own is not model.encoders.own(domain).fusion.weight


def test_a_soft_label_with_all_its_weight_on_one_item_is_the_hard_one():
    hard, soft = _lgcd(pseudo_label="sampled"), _lgcd(pseudo_label="soft")
    sure = Grounded(GROUNDED.item_BK, GROUNDED.score_BK * 1000)  # the labels come first
    others = TransferBatch(*(field[:2] for field in TRANSFER))  # of one direction alone

    for batch in (LGCDBatch(others, TRANSFER, sure), LGCDBatch(None, TRANSFER, sure)):
        first, second = _losses(hard, batch), _losses(soft, batch)
        assert second["pseudo_recommend"] == pytest.approx(first["pseudo_recommend"], rel=1e-4)


def test_soft_labels_without_grounded_items_are_refused():
    with pytest.raises(ValueError, match="needs the batch's grounded items"):
        _lgcd(pseudo_label="soft").loss(LGCDBatch(TRANSFER, TRANSFER))


def test_the_real_last_item_labels_a_pseudo_user_whose_direction_is_swapped():
    swapped = swap_direction(TRANSFER)
    model, as_given = _lgcd(pseudo_label="real_last"), _lgcd(pseudo_label="sampled")

    assert swapped.source_BL.tolist() == [[11, 12, 13], [0, 0, 14], [6, 7, 8]]
    assert swapped.target_BL.tolist() == [[0, 1], [3, 4], [0, 9]]
    assert swapped.label_B.tolist() == [2, 5, 10] and swapped.domain_B.tolist() == [0, 0, 1]
    assert _losses(model) == _losses(as_given, LGCDBatch(TRANSFER, swapped))


@pytest.mark.parametrize("target", ["x0", "eps"])
def test_the_kl_loss_is_the_squared_error_weighed_by_step(target, monkeypatch):
    diffusion = DiffusionConfig(num_steps=10, target=target)
    mse, kl = (_lgcd(diffusion=diffusion, diffusion_loss=loss) for loss in ("mse", "kl"))
    one_user = LGCDBatch(TransferBatch(*(field[:1] for field in TRANSFER)), None)
    for model in (mse, kl):
        monkeypatch.setattr(model.diffusion, "random_steps", lambda x: torch.full((len(x),), 7))

    weight = kl.diffusion.kl_weight(torch.tensor([7])).item()
    assert weight > 0 and weight != pytest.approx(1, abs=0.01)
    assert _losses(kl, one_user)["overlap_diffusion"] == pytest.approx(
        weight * _losses(mse, one_user)["overlap_diffusion"], rel=1e-4
    )


def test_classifier_free_guidance_goes_beyond_the_condition_when_sampling():
    denoiser = DenoiserConfig(width=8, guidance="cfg")
    scores = [_lgcd(denoiser=denoiser, guidance_scale=s).eval().score(QUERY) for s in (0, 1, 3)]
    unguided = [_lgcd(guidance_scale=s).eval().score(QUERY) for s in (1, 3)]

    assert not torch.allclose(scores[1][0, 9:], scores[2][0, 9:])
    assert not torch.allclose(scores[1][0, 9:], scores[0][0, 9:])
    assert torch.equal(*unguided)


def test_classifier_free_guidance_trains_what_stands_for_a_hidden_condition():
    model = _lgcd(
        denoiser=DenoiserConfig(width=8, guidance="cfg"), condition_drop=0.5, diff_train="overlap"
    )
    torch.manual_seed(0)
    model.loss(LGCDBatch(TRANSFER, None))["overlap_diffusion"].backward()

    assert model.denoiser.null.grad.abs().sum() > 0


def test_impossible_configs_are_refused():
    with pytest.raises(ValueError, match="condition_drop=1"):
        replace(CONFIG, condition_drop=1.0)
    with pytest.raises(ValueError, match="between 2 domains, got 3"):
        replace(CONFIG, encoders=replace(ENCODERS, space=ItemSpace(sizes=(1, 2, 3))))
    with pytest.raises(ValueError, match=r"denoiser.width=16 differs from encoder width=8"):
        replace(CONFIG, denoiser=DenoiserConfig(width=16))
    with pytest.raises(ValueError, match="set diffuse=True"):
        replace(CONFIG, init="random", diffuse=False)
