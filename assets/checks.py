"""Checks that the UI shows of stored artifacts, each partition with a history of its own.

A check runs in a step of its own after its asset. One that blocks holds an invariant, which the
pipeline also enforces before it writes: should it fail, the file changed since or writing it went
wrong. Then nothing downstream is built in the same run, and the next refresh makes the asset again
(`not_passed`). The others are judgments: they warn and stop nothing.

What a check measures stands beside its stage in `pipeline/`; docs/checks.md lists them all.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from assets.resources import Workspace
from pipeline.catalog import Scenario
from pipeline.catalog.rating_systems import RATING_FITTED
from pipeline.catalog.systems import FITTED
from pipeline.evaluate.floor import ours_above_popularity
from pipeline.evaluate.ratings.floor import ours_below_means
from pipeline.extract.title_check import few_are_empty
from pipeline.extract.vector_checks import features_are_finite, item_vectors_are_whole
from pipeline.finding import Finding
from pipeline.prepare.behaviour_leaks import check_stored_behaviours
from pipeline.prepare.candidate_check import candidates_are_unique
from pipeline.prepare.click_leaks import check_stored_clicks
from pipeline.prepare.core_check import core_holds
from pipeline.prepare.leak_check import no_leak
from pipeline.prepare.leaks import check_stored_sequences
from pipeline.prepare.rating_leaks import check_stored_ratings
from pipeline.retrieve.similarity_check import titles_are_near
from pipeline.store import Store

Measure = Callable[[str, Workspace], Finding]
"""Of one partition, by its name: a domain or a scenario."""


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str
    says: str  # what holds where it passes
    remedy: str  # what to do where it fails
    measure: Measure
    blocking: bool = False

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        return dg.AssetCheckSeverity.ERROR if self.blocking else dg.AssetCheckSeverity.WARN


def asset_checks(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetChecksDefinition]:
    """The checks of the given assets, as Dagster wants them beside these."""
    return [_defined(check, asset) for asset in assets for check in checks_of(asset.key)]


def checks_of(key: dg.AssetKey) -> list[Check]:
    """By the asset's name: "sequences", or "weights" and a system."""
    name, *system = key.path
    return _weights_checks(system[0]) if name == "weights" else _CHECKS.get(name, [])


def not_passed(key: dg.AssetKey, partition: str, graph: Any, instance: Any) -> list[str]:
    """The asset's blocking checks that did not pass when they last ran on a partition.

    One that never ran is not among them; one that was killed is.
    """
    keys = [one for one in graph.get_check_keys_for_assets({key}) if graph.get(one).blocking]
    if not keys:
        return []
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        keys, partition_filter=PartitionKeyFilter(key=partition)
    )
    passed = AssetCheckExecutionRecordStatus.SUCCEEDED
    return sorted(one.name for one, record in latest.items() if record.status != passed)


def _defined(check: Check, asset: dg.AssetsDefinition) -> dg.AssetChecksDefinition:
    def run(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
        partition = context.partition_key
        finding = _found(check, partition, workspace)
        return dg.AssetCheckResult(
            passed=finding.passed,
            severity=check.severity,
            description=f"{partition}: {finding.says}",
            metadata=finding.figures,
        )

    with warnings.catch_warnings():
        # Partitions of checks are a preview: dagster is pinned, and tests hold it to them.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        define = dg.asset_check(
            asset=asset.key,
            name=check.name,
            description=f"{check.says} Where it fails: {check.remedy}",
            blocking=check.blocking,
            partitions_def=asset.partitions_def,
        )
        return define(run)


def _found(check: Check, partition: str, workspace: Workspace) -> Finding:
    """A file that cannot be read fails its check; the error says which, and what to do."""
    try:
        return check.measure(partition, workspace)
    except ValueError as error:
        return Finding(passed=False, says=str(error))


_AGAIN = "the file changed after it was written; materialize the asset again."


def _of_scenario(measure: Callable[..., Finding], *arguments: Any) -> Measure:
    return lambda name, workspace: measure(*arguments, workspace.scenario(name), workspace.store)


def _of_domain(measure: Callable[..., Finding], *arguments: Any) -> Measure:
    return lambda name, workspace: measure(*arguments, name, workspace.store)


def _leak_check(asset: str, check: Callable[..., None]) -> Check:
    return Check(
        name="no_leak",
        says="No answer of an evaluation case is seen in training or in a history.",
        remedy=_AGAIN,
        measure=_of_scenario(no_leak, asset, check),
        blocking=True,
    )


def _feature_checks(asset: str) -> list[Check]:
    return [
        Check(
            name="features_are_finite",
            says="Every number of every vector is finite.",
            remedy=_AGAIN,
            measure=_of_domain(features_are_finite, asset),
            blocking=True,
        ),
        Check(
            name="features_have_unit_variance",
            says="Standardised as training does it, dimensions have variance 1, and few are "
            "constant.",
            remedy="the model gives nearly the same vector for every row: look at its prompts and "
            'pooling, or set precision = "float32".',
            measure=_of_domain(_unit_variance, asset),
        ),
    ]


def _weights_checks(system: str) -> list[Check]:
    """None for a system that counts: there is nothing that could converge."""
    if system not in (*FITTED, *RATING_FITTED):
        return []
    return [
        Check(
            name="training_converged",
            says="No best epoch is the last one that was allowed.",
            remedy="raise training.max_epochs of the scenario: the system was still getting "
            "better.",
            measure=_of_scenario(_converged, system),
        ),
        Check(
            name="seeds_agree",
            says="Validation scores of all seeds lie within a tenth of their mean.",
            remedy="name more training.seeds, and trust no comparison that is closer than they "
            "are; look at the curves for a seed that failed to learn.",
            measure=_of_scenario(_seeds_agree, system),
        ),
    ]


# Below, torch comes along with the stage, and definitions must not load it.


def _converged(system: str, scenario: Scenario, store: Store) -> Finding:
    from pipeline.train.convergence import system_converged
    from pipeline.train.ratings.convergence import rating_system_converged

    measure = rating_system_converged if system in RATING_FITTED else system_converged
    return measure(system, scenario, store)


def _seeds_agree(system: str, scenario: Scenario, store: Store) -> Finding:
    from pipeline.train.convergence import system_seeds_agree
    from pipeline.train.ratings.convergence import rating_seeds_agree

    measure = rating_seeds_agree if system in RATING_FITTED else system_seeds_agree
    return measure(system, scenario, store)


def _encoders(scenario: Scenario, store: Store) -> Finding:
    from pipeline.train.convergence import encoders_converged

    return encoders_converged(scenario, store)


def _unit_variance(asset: str, domain: str, store: Store) -> Finding:
    from pipeline.train.ratings.unit_variance import features_have_unit_variance

    return features_have_unit_variance(asset, domain, store)


_CHECKS: dict[str, list[Check]] = {
    "interactions": [
        Check(
            name="k_core_holds",
            says="Every user and item has the interactions that the k-core asks of it.",
            remedy=_AGAIN,
            measure=_of_scenario(core_holds),
            blocking=True,
        )
    ],
    "sequences": [_leak_check("sequences", check_stored_sequences)],
    "ratings": [_leak_check("ratings", check_stored_ratings)],
    "clicks": [_leak_check("clicks", check_stored_clicks)],
    "behaviours": [_leak_check("behaviours", check_stored_behaviours)],
    "candidates": [
        Check(
            name="candidates_are_unique",
            says="Negatives are distinct, of their pool, and never the label.",
            remedy=_AGAIN,
            measure=_of_scenario(candidates_are_unique),
            blocking=True,
        )
    ],
    "item_text": [
        Check(
            name="vectors_are_finite_and_none_is_zero",
            says="Every item has a vector, and only padding's is zero.",
            remedy=_AGAIN,
            measure=_of_scenario(item_vectors_are_whole),
            blocking=True,
        )
    ],
    "item_multimodal": _feature_checks("item_multimodal"),
    "review_features": _feature_checks("review_features"),
    "generated_titles": [
        Check(
            name="few_titles_are_empty",
            says="At most a fifth of the users got no title from the language model.",
            remedy="look at the asset's preview; name a better titles.model, or, where answers "
            "are cut, a larger engine.max_model_len.",
            measure=_of_scenario(few_are_empty),
        )
    ],
    "pseudo_interactions": [
        Check(
            name="titles_are_near_their_items",
            says="Generated titles are near the items found for them, and nearer than to those "
            "of another user.",
            remedy="the titles are generic or off the catalogue: look at the previews of "
            "generated_titles and of this asset, and name a better titles.model or text_model.",
            measure=_of_scenario(titles_are_near),
        )
    ],
    "encoders": [
        Check(
            name="training_converged",
            says="No best epoch is the last one that was allowed.",
            remedy="raise training.max_epochs of the scenario: the encoders were still getting "
            "better.",
            measure=_of_scenario(_encoders),
        )
    ],
    "leaderboard": [
        Check(
            name="ours_is_not_below_popularity",
            says="In every domain the best of our systems reaches popularity's NDCG@10.",
            remedy="nothing personal was learnt: see whether training converged, and how many "
            "users the scenario trains on.",
            measure=_of_scenario(ours_above_popularity),
        )
    ],
    "rating_leaderboard": [
        Check(
            name="ours_is_not_above_the_means",
            says="At every cold ratio the best of our systems errs no more than the best mean.",
            remedy="nothing personal was learnt: see whether training converged, and how many "
            "users have features.",
            measure=_of_scenario(ours_below_means),
        )
    ],
}
"""By asset; the weights of systems have theirs from `_weights_checks`."""
