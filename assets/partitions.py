"""Partitions from the catalog: domains, scenarios, and how the two hang together.

A domain is ingested once for all scenarios that use it. An asset that only some scenarios need
has those alone as partitions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dagster as dg

from pipeline.catalog import Catalog
from pipeline.catalog.rating_systems import RATING_EXPERIMENTS, RATING_SYSTEMS
from pipeline.catalog.systems import EXPERIMENTS, SYSTEMS, artifacts_of

SEQUENCE_TASKS = ("inter-domain", "cross-domain-sequential")


@dataclass(frozen=True)
class Partitions:
    catalog: Catalog

    @property
    def domains(self) -> dg.StaticPartitionsDefinition:
        return partitions_of(self.catalog.domains)

    @property
    def scenarios(self) -> dg.StaticPartitionsDefinition:
        return partitions_of(self.catalog.scenarios)

    @property
    def image_domains(self) -> dg.StaticPartitionsDefinition:
        """The domains that name images; there may be none."""
        return partitions_of(n for n, domain in self.catalog.domains.items() if domain.images)

    @property
    def download_domains(self) -> list[str]:
        """The domains whose dumps are fetched; their parts are not fetched again."""
        domains = self.catalog.domains.items()
        return sorted(name for name, domain in domains if domain.download and not domain.within)

    @property
    def pairs(self) -> list[str]:
        """The scenarios that LGCD and its rivals answer: inter-domain, of two domains."""
        return sorted(
            name
            for name, scenario in self.catalog.scenarios.items()
            if scenario.task == "inter-domain" and len(scenario.domains) == 2
        )

    def of_system(self, system: str) -> list[str]:
        """The pairs that train and compare a system."""
        return [name for name in self.pairs if system in self.catalog.scenarios[name].systems]

    def resting_on(self, artifact: str) -> list[str]:
        """The pairs with a system that needs an artifact, directly or by way of another one.

        What no system of a pair needs is not made of it: counts alone cost no language model.
        """
        scenarios = self.catalog.scenarios
        return [name for name in self.pairs if artifact in artifacts_of(scenarios[name].systems)]

    @property
    def systems(self) -> list[str]:
        """Every system that some pair names, in the order of SYSTEMS."""
        return [system for system in SYSTEMS if self.of_system(system)]

    def of_experiment(self, name: str) -> list[str]:
        """The pairs that carry out an experiment."""
        return [pair for pair in self.pairs if name in self.catalog.scenarios[pair].experiments]

    @property
    def experiments(self) -> list[str]:
        """Every experiment that some pair names, in the order of EXPERIMENTS."""
        return [name for name in EXPERIMENTS if self.of_experiment(name)]

    def of_rating_system(self, system: str) -> list[str]:
        """The scenarios of ratings that train and compare a system."""
        scenarios = self.catalog.scenarios
        return [n for n in self.of_tasks("cold-start-rating") if system in scenarios[n].systems]

    @property
    def rating_systems(self) -> list[str]:
        """Every system that some scenario of ratings names, in the order of RATING_SYSTEMS."""
        return [system for system in RATING_SYSTEMS if self.of_rating_system(system)]

    def of_rating_experiment(self, name: str) -> list[str]:
        """The scenarios of ratings that carry out an experiment."""
        scenarios = self.catalog.scenarios
        return [n for n in self.of_tasks("cold-start-rating") if name in scenarios[n].experiments]

    @property
    def rating_experiments(self) -> list[str]:
        """Every experiment that some scenario of ratings names."""
        return [name for name in RATING_EXPERIMENTS if self.of_rating_experiment(name)]

    def of_tasks(self, *tasks: str) -> list[str]:
        """The scenarios of the given tasks."""
        scenarios = self.catalog.scenarios.items()
        return sorted(name for name, scenario in scenarios if scenario.task in tasks)

    def domain_to_scenarios(self) -> dg.StaticPartitionMapping:
        """Each domain feeds every scenario that names it."""
        fan: dict[str, set[str]] = {domain: set() for domain in self.catalog.domains}
        for name, scenario in self.catalog.scenarios.items():
            for domain in scenario.domains:
                fan[domain].add(name)
        return dg.StaticPartitionMapping({d: used for d, used in fan.items() if used})


def partitions_of(names: Iterable[str]) -> dg.StaticPartitionsDefinition:
    return dg.StaticPartitionsDefinition(sorted(names))


def own_partition(asset: str | dg.AssetKey, names: Sequence[str]) -> dg.AssetDep:
    """Each of the named partitions reads its own of an asset that may have more."""
    return dg.AssetDep(
        asset, partition_mapping=dg.StaticPartitionMapping({name: name for name in names})
    )


def own_partitions(assets: Iterable[str | dg.AssetKey], names: Sequence[str]) -> list[dg.AssetDep]:
    return [own_partition(asset, names) for asset in assets]
