"""Partitions from the catalog: domains, scenarios, and how the two hang together.

A domain is ingested once for all scenarios that use it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from pipeline.catalog import Catalog


@dataclass(frozen=True)
class Partitions:
    catalog: Catalog

    @property
    def domains(self) -> dg.StaticPartitionsDefinition:
        return dg.StaticPartitionsDefinition(sorted(self.catalog.domains))

    @property
    def scenarios(self) -> dg.StaticPartitionsDefinition:
        return dg.StaticPartitionsDefinition(sorted(self.catalog.scenarios))

    @property
    def image_domains(self) -> dg.StaticPartitionsDefinition:
        """The domains that name images; there may be none."""
        named = [name for name, domain in self.catalog.domains.items() if domain.images]
        return dg.StaticPartitionsDefinition(sorted(named))

    def domain_to_scenarios(self) -> dg.StaticPartitionMapping:
        """Each domain feeds every scenario that names it."""
        fan: dict[str, set[str]] = {domain: set() for domain in self.catalog.domains}
        for name, scenario in self.catalog.scenarios.items():
            for domain in scenario.domains:
                fan[domain].add(name)
        return dg.StaticPartitionMapping({d: used for d, used in fan.items() if used})


def own_partition(asset: str, names: Sequence[str]) -> dg.AssetDep:
    """Each of the named domains reads its own partition of an asset that may have more."""
    return dg.AssetDep(
        asset, partition_mapping=dg.StaticPartitionMapping({name: name for name in names})
    )
