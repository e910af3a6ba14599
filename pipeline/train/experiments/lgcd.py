"""LGCD's experiments: the ablations and sweeps of its paper, and the choices it leaves open.

The base is our LGCD, with the defaults that `LGCDConfig` and `TransferConfig` explain; each
variant changes what its label says and nothing else.
"""

from dataclasses import replace
from typing import Any

from pipeline.catalog import Scenario
from pipeline.train.experiments.definition import Experiment
from pipeline.train.presets.runs import Run, TransferRun


def _model(run: TransferRun, **changes: Any) -> TransferRun:
    return replace(run, model=replace(run.model, **changes))


def _diffusion(run: TransferRun, **changes: Any) -> TransferRun:
    return _model(run, diffusion=replace(run.model.diffusion, **changes))


def _denoiser(run: TransferRun, **changes: Any) -> TransferRun:
    return _model(run, denoiser=replace(run.model.denoiser, **changes))


def _cases(run: TransferRun, **changes: Any) -> TransferRun:
    return replace(run, cases=replace(run.cases, **changes))


def ablations(run: TransferRun, scenario: Scenario) -> dict[str, Run]:
    """The paper's Table 3, and two rows of ours.

    "control" takes as many steps as LGCD over the same users, with the same encoders and the
    same losses but those of the diffusion: what remains of LGCD's lead over it is owed to the
    diffusion and the experts.
    """
    return {
        "LGCD": run,
        "w/o Diffusion": _model(run, diffuse=False),
        "w/o Overlap Diffusion": _model(run, diff_train="pseudo"),
        "w/o Pseudo Diffusion": _model(run, diff_train="overlap"),
        "w/o Alignment": _model(run, align=False),
        "w/o Guesser": _model(run, init="random"),
        "w/o MoE": _model(run, fusion="linear"),
        "w/o Overlap Cyclic": _cases(run, overlap_loader="plain"),
        "w/o pseudo-interactions": _cases(run, use_pseudo=False),
        "control": _model(run, diffuse=False, fusion="linear"),
    }


def guidance(run: TransferRun, scenario: Scenario) -> dict[str, Run]:
    """How the condition enters the denoiser, and what it is made of."""
    return {
        "cross-attention": _denoiser(run, guidance="xattn"),
        "linear": _denoiser(run, guidance="linear"),
        "classifier-free": _denoiser(run, guidance="cfg"),
        "id condition": _model(run, cond="id"),
        "text condition": _model(run, cond="text"),
        "no condition": _denoiser(run, guidance="none"),
    }


def targets(run: TransferRun, scenario: Scenario) -> dict[str, Run]:
    """What the denoiser predicts, and how its error is measured."""
    return {
        "x0": _model(_diffusion(run, target="x0"), diffusion_loss="mse"),
        "noise, MSE": _model(_diffusion(run, target="eps"), diffusion_loss="mse"),
        "noise, KL": _model(_diffusion(run, target="eps"), diffusion_loss="kl"),
    }


def pseudo_items(run: TransferRun, scenario: Scenario) -> dict[str, Run]:
    return {str(count): _cases(run, num_pseudo_items=count) for count in (1, 5, 10, 15, 20)}


def steps(run: TransferRun, scenario: Scenario) -> dict[str, Run]:
    """The number of calls of one way back (`num_reverse_steps`) stays what it is at most."""
    return {str(count): _diffusion(run, num_steps=count) for count in (10, 50, 100, 200)}


def strength(run: TransferRun, scenario: Scenario) -> dict[str, Run]:
    """One strength for both target domains; the full model has one for each."""
    values = (0.1, 0.3, 0.5, 0.7, 0.9)
    return {str(value): _model(run, strengths=(value, value)) for value in values}


def overlap_ratio(run: TransferRun, scenario: Scenario) -> dict[str, Run]:
    values = (0.2, 0.4, 0.6, 0.8, 1.0)
    return {str(value): _cases(run, overlap_ratio=value) for value in values}


def pseudo(run: TransferRun, scenario: Scenario) -> dict[str, Run]:
    """Where the items of pseudo users come from, under the label that LGCD has anyway; then the
    other labels: what these users are taught to rank first."""
    labels = {
        "label sampled": _model(run, pseudo_label="sampled"),
        "label soft": _model(run, pseudo_label="soft"),
        "no label": _model(run, pseudo_label="none"),
    }
    return {
        "generated titles": _cases(run, pseudo="titles"),
        "text neighbours": _cases(run, pseudo="text_neighbours"),
        "co-occurrence": _cases(run, pseudo="cooccurrence"),
        "no pseudo users": _cases(run, use_pseudo=False),
        **{label: variant for label, variant in labels.items() if variant != run},
    }


def literal(run: TransferRun, scenario: Scenario) -> dict[str, Run]:
    """The paper read to the letter, one choice at a time and then all but the tokens at once.

    Of the tokens, "vector" (the default) is the printed formula; "pair" and "seq" are what its
    notation for several tokens hints at.
    """
    everything = _model(
        run,
        id_input="mixed",
        tgt_includes_label=True,
        train_start="x0_hat",
        cond_tokens="vector",
        loss_reduction="sum",
    )
    return {
        "ids: whole mixed history": _model(run, id_input="mixed"),
        "target includes the label": _model(run, tgt_includes_label=True),
        "training starts at x0-hat": _model(run, train_start="x0_hat"),
        "tokens: id and text state": _model(run, cond_tokens="pair"),
        "tokens: all states": _model(run, cond_tokens="seq"),
        "losses summed over the width": _model(run, loss_reduction="sum"),
        "cut at the last item": _cases(run, cut="last"),
        "all literal": _cases(everything, cut="last"),
    }


LGCD_EXPERIMENTS = (
    Experiment(
        name="lgcd_ablations",
        title="LGCD: what each part contributes",
        variants=ablations,
        paper="lgcd-table-3",
    ),
    Experiment(
        name="lgcd_guidance",
        title="LGCD: how the condition guides the denoiser",
        variants=guidance,
    ),
    Experiment(
        name="lgcd_targets",
        title="LGCD: what the denoiser predicts",
        variants=targets,
    ),
    Experiment(
        name="lgcd_pseudo_items",
        title="LGCD: pseudo-interactions for each pseudo user",
        variants=pseudo_items,
        axis="pseudo-interactions (nK)",
    ),
    Experiment(
        name="lgcd_steps",
        title="LGCD: diffusion steps",
        variants=steps,
        axis="diffusion steps (T)",
    ),
    Experiment(
        name="lgcd_strength",
        title="LGCD: how deep into the noise the guess is pushed",
        variants=strength,
        axis="share of the steps (lambda), the same for both domains",
    ),
    Experiment(
        name="lgcd_overlap_ratio",
        title="LGCD: how many overlap users train it",
        variants=overlap_ratio,
        axis="share of the overlap sequences",
    ),
    Experiment(
        name="lgcd_pseudo",
        title="LGCD: where pseudo users come from and what they teach",
        variants=pseudo,
    ),
    Experiment(
        name="lgcd_literal",
        title="LGCD: the paper read to the letter",
        variants=literal,
    ),
)
