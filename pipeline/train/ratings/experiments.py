"""Named sets of variants of one rating system's run: its ablations and its sweeps.

One more experiment is a function here, an entry of the table at the end, and a line of
RATING_EXPERIMENTS in pipeline/catalog/rating_systems.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pipeline.catalog import Scenario
from pipeline.catalog.rating_systems import RATING_EXPERIMENTS
from pipeline.store import Store
from pipeline.train.experiments.definition import slugs
from pipeline.train.ratings.presets import rating_stage
from pipeline.train.ratings.runs import RatingRun
from pipeline.train.ratings.stored import StoredRatingRun
from pipeline.train.ratings.systems import is_rating_run_trained

Variants = Callable[[RatingRun, Scenario], dict[str, RatingRun]]
"""(the system's run, the scenario) -> runs by label; the system's own run is among them."""


@dataclass(frozen=True, kw_only=True)
class RatingExperiment:
    """Labels are what people read. In a sweep those that are numbers are places on the axis."""

    name: str
    title: str
    variants: Variants
    axis: str | None = None  # what a sweep varies; None: an ablation, drawn as bars

    @property
    def system(self) -> str:
        """The system whose run is varied."""
        return RATING_EXPERIMENTS[self.name]


@dataclass(frozen=True, kw_only=True)
class RatingVariant:
    label: str
    reference: bool  # the unchanged run, against which the others are tested
    stored: StoredRatingRun


def rating_experiment(name: str) -> RatingExperiment:
    """ValueError names the known experiments."""
    if name not in _EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}; known experiments: {_KNOWN}")
    return _EXPERIMENTS[name]


def rating_variants(
    experiment: RatingExperiment, base: StoredRatingRun, scenario: Scenario
) -> tuple[RatingVariant, ...]:
    """All variants; those that are the base run itself are its reference.

    Their weights belong below `weights/<scenario>/<experiment>/<slug of the label>`.
    """
    runs = experiment.variants(base.run, scenario)
    assert list(runs.values()).count(base.run) == 1, experiment.name
    names = slugs(experiment.name, list(runs))
    seeds = scenario.experiment_seeds or base.seeds
    folder = f"weights/{scenario.name}/{experiment.name}"
    return tuple(
        RatingVariant(
            label=label,
            reference=run == base.run,
            stored=replace(base, run=run, folder=f"{folder}/{names[label]}", seeds=seeds),
        )
        for label, run in runs.items()
    )


def located_rating(
    variant: RatingVariant, base: StoredRatingRun, scenario: Scenario, store: Store
) -> StoredRatingRun:
    """Where a variant's weights are: the system's own where these are of the same run."""
    own = replace(base, seeds=variant.stored.seeds)
    same = variant.reference and is_rating_run_trained(own, scenario, store)
    return own if same else variant.stored


def music_ablations(run: RatingRun, scenario: Scenario) -> dict[str, RatingRun]:
    """The paper's own (without side users, in one stage, ReLU), and the choices it leaves open."""
    literal = replace(run.model.diffusion, schedule="linear", beta_min=1e-4, beta_max=0.02)
    return {
        "MuSiC": run,
        "w/o side users": _without(run, "side_users"),
        "single stage": _single_stage(run, scenario),
        "ReLU projections": _model(run, projection_activation="relu", clip=None),
        "ReLU within the U-Net": _model(run, act="relu"),
        "w/o condition": _model(run, cond="none"),
        "target noise": _diffusion(run, target="eps"),
        "cosine schedule": _diffusion(run, schedule="cosine"),
        "linear schedule as printed": _model(run, diffusion=literal, init="source"),
        "starts from the auxiliary vector": _model(run, init="source", source_strength=0.5),
        "guided": _model(run, cfg_scale=1.0),
        "one sample": _model(run, num_samples=1),
        "w/o refitted head": _without(run, "refit"),
        "with the rating error": _with_task(run, scenario),
        "item projection for each domain": _model(run, share_item_mlp=False),
        "texts never hidden": _model(run, text_drop=0.0),
        "auxiliary sides shuffled": _features(run, form="shuffled"),
    }


def music_controls(run: RatingRun, scenario: Scenario) -> dict[str, RatingRun]:
    """Of the ablations, what a small demo shows: that side users teach, and that it is the
    auxiliary side that tells."""
    every = music_ablations(run, scenario)
    return {
        label: every[label] for label in ("MuSiC", "w/o side users", "auxiliary sides shuffled")
    }


def music_features(run: RatingRun, scenario: Scenario) -> dict[str, RatingRun]:
    """Other frozen models on the same ratings, texts of users left out, and no features at all."""
    return {
        "MuSiC": run,
        **{
            source.name: _features(run, domains=source.domains)
            for source in scenario.feature_sources
        },
        "w/o users' texts": _features(run, form="rated_items"),
        "item ids": _features(run, form="item_ids"),
    }


def music_steps(run: RatingRun, scenario: Scenario) -> dict[str, RatingRun]:
    """The paper's sweep."""
    return {str(count): _diffusion(run, num_steps=count) for count in (2, 5, 10, 20, 50)}


def _model(run: RatingRun, **changes: Any) -> RatingRun:
    return replace(run, model=replace(run.model, **changes))


def _diffusion(run: RatingRun, **changes: Any) -> RatingRun:
    return _model(run, diffusion=replace(run.model.diffusion, **changes))


def _features(run: RatingRun, **changes: Any) -> RatingRun:
    assert run.features is not None
    return replace(run, features=replace(run.features, **changes))


def _without(run: RatingRun, stage: str) -> RatingRun:
    return replace(run, stages=tuple(one for one in run.stages if one.name != stage))


def _single_stage(run: RatingRun, scenario: Scenario) -> RatingRun:
    """Side users and overlap users mixed, the one without a condition, the other with theirs."""
    ratings, refit = run.stages[0], run.stages[-1]
    joint = rating_stage("joint", "target_users", "cold", scenario)
    return replace(run, stages=(ratings, joint, refit))


def _with_task(run: RatingRun, scenario: Scenario) -> RatingRun:
    """Stage 2 with the rating error of what it generates beside the diffusion's."""
    task = rating_stage("task", "overlap_ratings", "cold", scenario)
    stages = (task if one.name == "overlap_users" else one for one in run.stages)
    return replace(run, stages=tuple(stages))


_EXPERIMENTS = {
    one.name: one
    for one in (
        RatingExperiment(
            name="music_ablations",
            title="MuSiC: what each part contributes",
            variants=music_ablations,
        ),
        RatingExperiment(
            name="music_controls",
            title="MuSiC: side users, and a control",
            variants=music_controls,
        ),
        RatingExperiment(
            name="music_features",
            title="MuSiC: what its features come from",
            variants=music_features,
        ),
        RatingExperiment(
            name="music_steps",
            title="MuSiC: diffusion steps",
            variants=music_steps,
            axis="diffusion steps (T)",
        ),
    )
}
_KNOWN = ", ".join(_EXPERIMENTS)
