"""Reads a catalog file: TOML tables become domains, scenarios and settings, all of them checked."""

import dataclasses
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.catalog.automation import Automation, check_automation
from pipeline.catalog.domains import Domain, check_domain, resolve_sub_domain
from pipeline.catalog.engine_settings import EngineSettings, Price, check_engine
from pipeline.catalog.scenarios import Scenario, check_scenario, with_default_systems
from pipeline.catalog.tracking import Tracking, check_tracking
from pipeline.typed_tables import build, convert, keys_of, reject_unknown

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # it becomes part of paths and partition keys


@dataclass(frozen=True, kw_only=True)
class Catalog:
    folder: Path  # the data folder: raw paths are relative to it
    domains: dict[str, Domain]
    scenarios: dict[str, Scenario]
    engine: EngineSettings = field(default_factory=EngineSettings)
    prices: tuple[Price, ...] = ()
    automation: Automation = field(default_factory=Automation)
    tracking: Tracking | None = None  # None: nothing is recorded anywhere else

    def domains_of(self, scenario: str) -> tuple[Domain, ...]:
        return tuple(self.domains[name] for name in self.scenarios[scenario].domains)


def load_catalog(path: Path) -> Catalog:
    """Read and check a catalog file. ValueError names the offending key."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} is missing: the catalog of domains and scenarios") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from error
    groups = {"domain", "scenario", "engine", "price", "automation", "tracking"}
    reject_unknown(tables, groups, str(path), "")
    named = _named(Domain, tables, "domain", path)
    domains = {
        name: resolve_sub_domain(domain, named, f"{path}: domain.{name}")
        for name, domain in named.items()
    }
    catalog = Catalog(
        folder=path.parent,
        domains=domains,
        scenarios={
            name: scenario
            if "systems" in tables["scenario"][name]
            else with_default_systems(scenario)
            for name, scenario in _named(Scenario, tables, "scenario", path).items()
        },
        engine=convert(EngineSettings, tables.get("engine", {}), f"{path}: engine"),
        prices=convert(tuple[Price, ...], tables.get("price", []), f"{path}: price"),
        automation=convert(Automation, tables.get("automation", {}), f"{path}: automation"),
        tracking=convert(Tracking, tables["tracking"], f"{path}: tracking")
        if "tracking" in tables
        else None,
    )
    check_engine(catalog.engine, f"{path}: engine")
    if catalog.tracking:
        check_tracking(catalog.tracking, f"{path}: tracking")
    for domain in domains.values():
        check_domain(domain, f"{path}: domain.{domain.name}")
    for scenario in catalog.scenarios.values():
        check_scenario(scenario, domains, f"{path}: scenario.{scenario.name}")
    check_automation(catalog.automation, f"{path}: automation")
    return catalog


def parameters(*configs: Any) -> dict[str, Any]:
    """Configs as plain JSON-able values, for code versions and recorded runs."""
    return {type(config).__name__: dataclasses.asdict(config) for config in configs}


def _named(kind: type, tables: dict[str, Any], group: str, path: Path) -> dict[str, Any]:
    """The entries of one group of tables, each of which is named by its heading."""
    entries = tables.get(group, {})
    if not isinstance(entries, dict):
        raise ValueError(f"{path}: {group} = {entries!r}; it must be tables [{group}.<name>]")
    built = {}
    for name, entry in entries.items():
        where = f"{path}: {group}.{name}"
        if not _NAME.fullmatch(name):
            raise ValueError(f"{where}: a name may hold letters, digits, '.', '_' and '-' alone")
        if not isinstance(entry, dict):
            raise ValueError(f"{where} = {entry!r}; it must be a table")
        reject_unknown(entry, keys_of(kind) - {"name"}, where, ".")
        built[name] = build(kind, {"name": name, **entry}, where)
    return built
