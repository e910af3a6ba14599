"""Partitions from the catalog: domains, scenarios, and how the two hang together.

A domain is ingested once for all scenarios that use it.
"""

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

    def domain_to_scenarios(self) -> dg.StaticPartitionMapping:
        """Each domain feeds every scenario that names it."""
        fan: dict[str, set[str]] = {domain: set() for domain in self.catalog.domains}
        for name, scenario in self.catalog.scenarios.items():
            for domain in scenario.domains:
                fan[domain].add(name)
        return dg.StaticPartitionMapping({d: used for d, used in fan.items() if used})
