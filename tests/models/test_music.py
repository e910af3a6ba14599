"""MuSiC: its stages, its determinism, and a planted taste that only the condition tells.

Shapes as in models/ratings.py.
"""

import copy
import dataclasses

import pytest
import torch

from models.batch import ItemSpace
from models.blocks.diffusion import DiffusionConfig
from models.music import MuSiC
from models.music_config import MuSiCConfig
from models.ratings import (
    AUXILIARY,
    TARGET,
    Features,
    Known,
    Pairs,
    RatingModel,
    Ratings,
    Users,
)

USERS, ITEMS = 300, 40
OVERLAP, SIDE, COLD = range(0, 130), range(130, 240), range(240, USERS)
SPACE = ItemSpace(sizes=(ITEMS, ITEMS))
SMALL = MuSiCConfig(
    width=16, hidden=(32,), unet_widths=(48, 24), unet_embedding_width=32, num_samples=4
)
STAGES = {
    "ratings": ("items.", "auxiliary_users.", "target_users.", "auxiliary_head.", "target_head."),
    "side_users": ("unet.",),
    "overlap_users": ("unet.",),
    "joint": ("unet.",),
    "task": ("unet.",),
    "refit": ("target_head.",),
}


def _standard(feature):
    return (feature - feature.mean(0)) / feature.std(0)


@dataclasses.dataclass(frozen=True)
class World:
    """A user's text tells the cluster that they like, an item's features tell its own."""

    known: Known
    train: Ratings  # of both domains
    cold: Ratings  # of cold users in the target domain


def _world() -> World:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    liked_U = torch.randint(4, (USERS,), generator=generator)
    cluster_V = torch.randint(4, (2 * ITEMS + 1,), generator=generator)
    item_VE = _standard(normal(4, 10)[cluster_V] + 0.2 * normal(2 * ITEMS + 1, 10))
    text_SUF = torch.stack(
        [_standard(normal(4, 12)[liked_U] + 0.3 * normal(USERS, 12)) for _ in range(2)]
    )
    has_SU = torch.ones(2, USERS, dtype=torch.bool)
    has_SU[AUXILIARY, SIDE.start : SIDE.stop] = False
    has_SU[TARGET, COLD.start : COLD.stop] = False
    has_item_V = torch.ones(2 * ITEMS + 1, dtype=torch.bool)
    has_item_V[0] = False

    def rate(users, domain):
        """Half of a user's items are of the cluster that they like."""
        user_N = torch.tensor(users).repeat_interleave(10)
        drawn_NC = torch.rand(len(user_N), ITEMS, generator=generator)
        likes_NC = liked_U[user_N, None] == cluster_V[SPACE.columns(domain)]
        eager_N1 = (torch.arange(len(user_N)) % 2 == 0)[:, None]
        item_N = (drawn_NC + (likes_NC & eager_N1)).argmax(1) + SPACE.ids(domain).start
        match_N = (liked_U[user_N] == cluster_V[item_N]).float()
        return Ratings(user_N, item_N, 3 + 1.5 * match_N + 0.3 * normal(len(user_N)))

    parts = (
        rate([*OVERLAP, *COLD], AUXILIARY),
        rate([*OVERLAP, *SIDE], TARGET),
        rate([*COLD], TARGET),
    )
    train = Ratings(*(torch.cat(columns) for columns in zip(*parts[:2], strict=True)))
    features = Features(
        item_VE=item_VE * has_item_V[:, None],
        has_item_V=has_item_V,
        user_SUF=text_SUF * has_SU[:, :, None],
        has_user_SU=has_SU,
        rated_SUE=torch.stack([_rated(train, item_VE, domain) for domain in range(2)]),
        has_rated_SU=has_SU,
    )
    history_UL = torch.zeros(USERS, 1, dtype=torch.int64)
    mean = float(parts[1].rating_N.mean())
    known = Known(SPACE, USERS, mean, history_UL, history_UL.float(), features)
    return World(known, train, parts[2])


def _rated(train, item_VE, domain):
    rows = SPACE.contains(domain, train.item_N)
    user_N, item_N = train.user_N[rows], train.item_N[rows]
    total_UE = torch.zeros(USERS, item_VE.shape[1]).index_add(0, user_N, item_VE[item_N])
    return total_UE / user_N.bincount(minlength=USERS).clamp(min=1)[:, None]


@pytest.fixture(scope="module")
def world():
    return _world()


def _model(world, config=SMALL):
    torch.manual_seed(1)
    return MuSiC(config, world.known)


def _batch(world, stage):
    if stage in ("side_users", "overlap_users", "joint"):
        users = {"side_users": SIDE, "overlap_users": OVERLAP, "joint": range(SIDE.stop)}[stage]
        return Users(torch.tensor(users))
    if stage == "ratings":
        return world.train
    of_overlap = (world.train.user_N < OVERLAP.stop) & SPACE.contains(TARGET, world.train.item_N)
    return Ratings(*(column[of_overlap] for column in world.train))


def _fit(model, world, stage, num_steps, batch_size=256, learning_rate=2e-3):
    model.begin(stage)
    model.train()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer, batch = torch.optim.Adam(learning, lr=learning_rate), _batch(world, stage)
    for _ in range(num_steps):
        rows = torch.randint(len(batch.user_N), (batch_size,))
        losses = model.loss(stage, type(batch)(*(column[rows] for column in batch)))
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
    return model.eval()


def _with(known, **features):
    return known._replace(features=known.features._replace(**features))


def _twin(model, known, **settings):
    """The same weights over other data or settings."""
    twin = MuSiC(dataclasses.replace(model.config, **settings), known)
    twin.load_state_dict(model.state_dict())
    return twin.eval()


@pytest.fixture(scope="module")
def trained(world):
    model = _model(world)
    _fit(model, world, "ratings", 250)
    _fit(model, world, "side_users", 150, batch_size=128)
    _fit(model, world, "overlap_users", 400, batch_size=128)
    return model


def _rmse(predicted_N, ratings):
    return float((predicted_N - ratings.rating_N).square().mean().sqrt())


def _item_mean(world):
    target = SPACE.contains(TARGET, world.train.item_N)
    item_N, rating_N = world.train.item_N[target], world.train.rating_N[target]
    total = torch.zeros(2 * ITEMS + 1).index_add(0, item_N, rating_N)
    return total / item_N.bincount(minlength=2 * ITEMS + 1).clamp(min=1)


def test_a_planted_taste_is_found_through_the_condition_alone(world, trained):
    floor = _rmse(_item_mean(world)[world.cold.item_N], world.cold)
    known = _rmse(trained.predict_known(world.train.pairs), world.train)
    cold = _rmse(trained.predict(world.cold.pairs), world.cold)
    text_SUF = world.known.features.user_SUF.clone()
    others = torch.tensor(COLD)[torch.randperm(len(COLD), generator=torch.Generator())]
    text_SUF[AUXILIARY, COLD.start :] = text_SUF[AUXILIARY, others]
    shuffled = _twin(trained, _with(world.known, user_SUF=text_SUF))
    blind = _twin(trained, world.known, cond="none")

    assert cold < 0.6 * floor and cold < 1.2 * known
    assert _rmse(shuffled.predict(world.cold.pairs), world.cold) > floor
    assert _rmse(blind.predict(world.cold.pairs), world.cold) > 0.95 * floor


def test_what_a_user_rated_stands_in_for_what_they_did_not_write(world, trained):
    has_SU = world.known.features.has_user_SU.clone()
    has_SU[AUXILIARY, COLD.start :] = False
    silent = _twin(trained, _with(world.known, has_user_SU=has_SU))
    user_N = torch.tensor(COLD)

    assert silent.condition(user_N).std(0).mean() > 0.01
    agreement = torch.cosine_similarity(silent.condition(user_N), trained.condition(user_N))
    apart = torch.cosine_similarity(silent.condition(user_N), trained.condition(user_N.flip(0)))
    assert agreement.mean() > apart.mean() + 0.2


def test_who_has_no_auxiliary_side_is_given_the_null_condition(world, trained):
    nobody = torch.zeros_like(world.known.features.has_user_SU)
    unknown = _twin(trained, _with(world.known, has_user_SU=nobody, has_rated_SU=nobody))
    user_N = torch.tensor(COLD)

    one = unknown.condition(user_N)
    torch.testing.assert_close(one, one[:1].expand_as(one))
    blind = _twin(trained, world.known, cond="none")
    torch.testing.assert_close(unknown.generate(user_N), blind.generate(user_N))


def test_items_without_features_share_a_learned_vector(world, trained):
    nothing = torch.zeros_like(world.known.features.has_item_V)
    twin = _twin(trained, _with(world.known, has_item_V=nothing))

    vectors = twin.items(TARGET, torch.tensor(SPACE.ids(TARGET)))
    torch.testing.assert_close(vectors, vectors[:1].expand_as(vectors))
    assert not torch.allclose(trained.items(TARGET, torch.tensor(SPACE.ids(TARGET))), vectors)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_trains_its_own_parameters_and_no_others(world, stage):
    model = _model(world)
    before = copy.deepcopy(model.state_dict())
    _fit(model, world, stage, 2)

    moved = {name for name, value in model.state_dict().items() if (value != before[name]).any()}
    assert moved and all(name.startswith(STAGES[stage]) for name in moved)
    unmoved = {name for name in before if name.startswith(STAGES[stage])} - moved
    # No gradient without a missing feature, or without a condition.
    assert all("null" in name or "condition" in name for name in unmoved)


def test_an_unknown_stage_is_named(world):
    with pytest.raises(ValueError, match=r"'warmup'.*side_users"):
        _model(world).begin("warmup")


def test_targets_of_the_diffusion_have_no_gradient_and_no_dropout(world):
    config = dataclasses.replace(SMALL, dropout=0.5)
    model = _model(world, config)
    model.begin("overlap_users")
    model.train()
    user_N = torch.tensor(OVERLAP)
    assert model.training and model.unet.training

    first = model.target_vectors(user_N)
    assert not first.requires_grad and not model.condition(user_N).requires_grad
    assert torch.equal(first, model.target_vectors(user_N))
    model.loss("overlap_users", Users(user_N))["diffusion"].backward()
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None} == {
        "unet"
    }


def test_in_stage_ratings_dropout_is_active_again(world):
    model = _model(world)
    model.begin("overlap_users")
    model.begin("ratings")
    model.train()

    assert not torch.equal(
        model.predict_known(world.train.pairs), model.predict_known(world.train.pairs)
    )


def test_the_task_stage_moves_the_network_by_the_rating_error(world):
    model = _model(world, dataclasses.replace(SMALL, task_weight=1.0))
    model.begin("task")
    losses = model.loss("task", _batch(world, "task"))
    losses["task"].backward()

    assert set(losses) == {"diffusion", "task"}
    assert model.unet.head.weight.grad.abs().sum() > 0


def test_unconditional_and_conditional_training_share_one_network(world):
    model = _model(world, dataclasses.replace(SMALL, condition_drop=0.0))
    _fit(model, world, "side_users", 3)
    names = set(model.state_dict())
    user_N, shown_N = torch.tensor(OVERLAP), torch.zeros(len(OVERLAP)) == 0
    condition_ND, x_ND = model.condition(user_N), model.target_vectors(user_N)
    before = model.unet(x_ND, user_N % 10, condition_ND, ~shown_N)
    _fit(model, world, "overlap_users", 3)

    assert set(model.state_dict()) == names
    assert not torch.allclose(model.unet(x_ND, user_N % 10, condition_ND, ~shown_N), before)


def test_predictions_repeat_and_do_not_depend_on_the_batch(world, trained):
    pairs = Pairs(*(column[:80] for column in world.cold.pairs))
    torch.manual_seed(0)
    together = trained.predict(pairs)
    torch.manual_seed(5)

    assert torch.equal(together, trained.predict(pairs))
    alone = [trained.predict(Pairs(*(c[row : row + 1] for c in pairs))) for row in range(0, 80, 7)]
    torch.testing.assert_close(torch.cat(alone), together[::7], rtol=1e-4, atol=1e-4)
    backwards = trained.predict(Pairs(*(column.flip(0) for column in pairs)))
    torch.testing.assert_close(backwards.flip(0), together, rtol=1e-4, atol=1e-4)


def test_another_sampling_seed_gives_other_vectors(world, trained):
    user_N = torch.tensor(COLD)
    other = _twin(trained, world.known, sampling_seed=1)

    assert not torch.allclose(other.generate(user_N), trained.generate(user_N))


def test_generated_vectors_keep_to_the_range_of_tanh(world):
    user_N = torch.tensor(COLD)
    model = _model(world).eval()
    torch.nn.init.constant_(model.unet.head.bias, 9.0)

    assert model.generate(user_N).abs().max() <= 1
    assert _twin(model, world.known, clip=None).generate(user_N).max() > 5


def test_more_samples_scatter_less(world, trained):
    user_N = torch.tensor(COLD)
    spread = []
    for num_samples in (1, 16):
        twins = [
            _twin(trained, world.known, num_samples=num_samples, sampling_seed=seed)
            for seed in (3, 4)
        ]
        one, other = (twin.generate(user_N) for twin in twins)
        spread.append(float((one - other).square().mean()))

    assert spread[1] < spread[0] / 4


def test_steps_have_converged_once_twice_as_many_change_little(world, trained):
    user_N = torch.tensor(COLD)

    assert trained.converged_steps(user_N, 1e9) == 1
    assert trained.converged_steps(user_N, 0.0) == 10
    steps = {trained.converged_steps(user_N, tolerance) for tolerance in (1e-3, 1e-2, 1e-1)}
    assert steps <= {1, 2, 4, 8, 10}


def test_refitting_the_head_fits_generated_vectors_better(world, trained):
    model = copy.deepcopy(trained)
    ratings = _batch(world, "refit")
    assert torch.equal(
        model._held_vectors(model.generate, ratings.user_N[:9]),
        model.generate(torch.arange(USERS))[ratings.user_N[:9]],
    )
    before = _rmse(model.predict(ratings.pairs), ratings)
    _fit(model, world, "refit", 60, learning_rate=1e-2)

    assert _rmse(model.predict(ratings.pairs), ratings) < before


def test_joint_training_shows_the_condition_of_those_who_have_one(world):
    model = _model(world).eval()
    user_N = torch.tensor(OVERLAP)
    torch.manual_seed(0)
    joint = model.loss("joint", Users(user_N))["diffusion"]
    torch.manual_seed(0)
    assert torch.equal(joint, model.loss("overlap_users", Users(user_N))["diffusion"])
    torch.manual_seed(0)
    assert not torch.equal(joint, model.loss("side_users", Users(user_N))["diffusion"])

    torch.manual_seed(0)
    side = model.loss("joint", Users(torch.tensor(SIDE)))["diffusion"]
    torch.manual_seed(0)
    assert torch.equal(side, model.loss("side_users", Users(torch.tensor(SIDE)))["diffusion"])


def test_it_starts_at_the_mean_rating_and_meets_the_protocol(world):
    model = _model(world)
    assert isinstance(model, RatingModel)

    predicted_N = model.eval().predict_known(world.train.pairs).detach()
    assert predicted_N.shape == world.train.rating_N.shape
    assert abs(float(predicted_N.mean()) - world.known.mean_rating) < 0.3


def test_a_stronger_penalty_keeps_item_biases_smaller(world):
    sizes = []
    for penalty in (0.0, 10.0):
        model = _model(world, dataclasses.replace(SMALL, item_bias_penalty=penalty))
        _fit(model, world, "ratings", 60)
        sizes.append(float(model.target_head.bias_C.detach().square().mean()))

    assert sizes[1] < sizes[0] / 2


def test_no_feature_is_stored_with_the_weights(world):
    rows = {value.shape[0] for value in _model(world).state_dict().values() if value.ndim > 1}
    assert not rows & {USERS, 2 * ITEMS + 1}


@pytest.mark.parametrize(
    "settings",
    [
        {"share_item_mlp": False},
        {"projection_activation": "relu", "clip": None},
        {"act": "silu", "cfg_scale": 1.0, "num_reverse_steps": 3},
        {"diffusion": {"target": "eps"}},
        {"diffusion": {"schedule": "cosine", "num_steps": 20}},
        {"diffusion": {"schedule": "linear", "beta_min": 1e-4, "beta_max": 0.02}, "init": "source"},
        {"init": "source", "source_strength": 0.5},
        {"cond": "none"},
        {"task_backprop_steps": None, "num_samples": 1},
    ],
)
def test_every_switch_trains_and_predicts(world, settings):
    changed = settings.get("diffusion", {})
    diffusion = dataclasses.replace(SMALL.diffusion, **changed)
    model = _model(world, dataclasses.replace(SMALL, **{**settings, "diffusion": diffusion}))
    for stage in STAGES:
        _fit(model, world, stage, 2)

    assert model.predict(world.cold.pairs).isfinite().all()


def test_starting_from_the_source_reads_it_even_without_a_network(world):
    """Of two models with a blind U-Net, only the one that starts from the source sees it."""
    literal = DiffusionConfig(num_steps=10, beta_min=1e-4, beta_max=0.02, schedule="linear")
    config = dataclasses.replace(SMALL, diffusion=literal, init="source")
    assert MuSiC(config, world.known).diffusion.alpha_bar[10] == pytest.approx(0.90374, rel=1e-5)
    starts = []
    for settings in (config, SMALL):
        model = _model(world, settings).eval()
        seen = []
        model.unet.guided = lambda x, *_, seen=seen: seen.append(x) or x
        model.generate(torch.tensor(COLD))
        wanted = model.condition(torch.tensor(COLD)).repeat(SMALL.num_samples, 1)
        starts.append(torch.cosine_similarity(seen[0], wanted).mean())

    assert starts[0] > starts[1] + 0.1


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"diffusion": DiffusionConfig(num_steps=10, schedule="linear", beta_min=1e-4,
                                       beta_max=0.02)}, 'set init="source"'),
        ({"init": "source"}, "source_strength=0.5"),
        ({"init": "source", "source_strength": 0.5, "cond": "none"}, 'set init="noise"'),
        ({"projection_activation": "relu"}, "clip=None"),
        ({"num_samples": 0}, "num_samples=0"),
    ],
)  # fmt: skip
def test_wrong_combinations_are_refused_with_a_remedy(settings, message):
    with pytest.raises(ValueError, match=message):
        MuSiCConfig(**settings)
