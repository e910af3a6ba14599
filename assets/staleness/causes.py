"""Why an asset partition has to be materialized again: the rules, and nothing that acts on them.

An asset partition is stale by itself where it was never made, where what it is made with is
another version or has other parameters, where an artifact that it reads has another digest, or
where its file is not the one that was recorded. What lies below it may become stale with it: that
is known when it is made again, since an equal digest ends the matter there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import dagster as dg

from assets.checks import asset_checks, not_passed
from assets.present import changed_groups, partition_version
from assets.resources import Workspace, engine_resource
from assets.stages.ingest import RAW_FILES_TAG
from assets.staleness.recorded import Record, joint_version, latest_records, version_at
from pipeline.catalog import Catalog
from pipeline.ingest.raw_state import raw_state
from pipeline.store import Store

Kind = Literal["missing", "code", "parameters", "data", "file", "check", "forced"]

_DIGESTED = (".parquet", ".safetensors")
"""Of what an asset stores in a file that knows its digest."""


@dataclass(frozen=True)
class Part:
    """An asset partition."""

    key: dg.AssetKey
    partition: str

    def __str__(self) -> str:
        return f"{self.key.to_user_string()}[{self.partition}]"


@dataclass(frozen=True)
class Cause:
    kind: Kind
    what: str  # for people: which artifact, which file, which versions

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class State:
    """Of an asset partition: fresh where it has neither causes nor anything to wait for."""

    part: Part
    stage: str
    causes: Sequence[Cause]  # its own
    waits_for: Sequence[Part]  # what is stale above it; after that it may turn out to be fresh

    @property
    def is_missing(self) -> bool:
        return any(cause.kind == "missing" for cause in self.causes)


class Staleness:
    """The states of asset partitions, by the catalog and code of now and Dagster's records.

    Records are read once; `forget` an asset that was materialized since.
    """

    def __init__(
        self,
        assets: Sequence[dg.AssetsDefinition],
        workspace: Workspace,
        instance: dg.DagsterInstance,
    ) -> None:
        definitions = dg.Definitions(
            assets=list(assets),
            asset_checks=asset_checks(assets),
            resources={"workspace": workspace, "engine": engine_resource(workspace)},
        )
        self.graph: Any = definitions.resolve_asset_graph()
        self.instance = instance
        self._workspace = workspace
        self._records: dict[dg.AssetKey, dict[str, Record]] = {}
        self._reads: dict[tuple[Part, dg.AssetKey], list[str]] = {}

    @cached_property
    def _catalog(self) -> Catalog:
        return self._workspace.catalog

    def parts(self, name: str | None = None) -> Iterator[Part]:
        """In topological order: those of a scenario and what it needs of its domains, of a domain
        what is made of it alone, or all."""
        keys = self.graph.toposorted_asset_keys
        if name is None:
            yield from (Part(key, one) for key in keys for one in self._partitions(key))
        elif name in self._catalog.domains:
            yield from (Part(key, name) for key in keys if name in self._partitions(key))
        else:
            yield from self._parts_of_scenario(name)

    def states(self, parts: Iterable[Part]) -> Iterator[State]:
        """Of parts in topological order: each one's own causes, and what it waits for."""
        stale: dict[Part, Sequence[Part]] = {}  # each with the nearest stale ones that it names
        for part in parts:
            causes = self.causes(part)
            above = [root for parent in self.parents(part) for root in stale.get(parent, ())]
            waits_for = tuple(dict.fromkeys(above))
            if causes or waits_for:
                stale[part] = (part,) if causes else waits_for
            yield State(part=part, stage=self.stage(part.key), causes=causes, waits_for=waits_for)

    def causes(self, part: Part) -> list[Cause]:
        """Why it has to be made again, whatever becomes of all above it; none where it has not."""
        record = self.record(part)
        if record is None:
            return [Cause("missing", "never materialized")]
        return [
            *self._code_causes(part, record),
            *self._data_causes(part, record),
            *self._file_causes(part, record),
            *self._check_causes(part),
        ]

    def record(self, part: Part) -> Record | None:
        return self.records(part.key).get(part.partition)

    def records(self, key: dg.AssetKey) -> dict[str, Record]:
        if key not in self._records:
            self._records[key] = latest_records(self.instance, key)
        return self._records[key]

    def forget(self, key: dg.AssetKey) -> None:
        self._records.pop(key, None)

    def stage(self, key: dg.AssetKey) -> str:
        return str(self.graph.get(key).group_name)

    def parents(self, part: Part) -> Iterator[Part]:
        """The asset partitions that it reads."""
        for key in sorted(self.graph.get(part.key).parent_keys):
            yield from (Part(key, partition) for partition in self._read(part, key))

    def no_longer_defined(self) -> list[str]:
        """What was materialized under names that code and catalog do not have any more."""
        found = []
        for key in sorted(self.instance.all_asset_keys()):
            if not self.graph.has(key):
                found.append(key.to_user_string())
                continue
            gone = set(self.records(key)) - set(self._partitions(key))
            found += [str(Part(key, partition)) for partition in sorted(gone)]
        return found

    # -- the rules -------------------------------------------------------------------------

    def _code_causes(self, part: Part, record: Record) -> Iterator[Cause]:
        if record.code_version is None:
            yield Cause("code", "reported by hand: it is not known what made it")
            return
        stage, *digests = partition_version(record.code_version, part.partition)
        code_version = self.graph.get(part.key).code_version
        current_stage, *current_digests = partition_version(code_version, part.partition)
        if stage != current_stage:
            yield Cause("code", f"{self.stage(part.key)} {stage} -> {current_stage}")
        if digests != current_digests:
            groups = changed_groups(record.code_version, code_version, part.partition)
            yield Cause("parameters", ", ".join(groups) or f"of {part.partition}")

    def _data_causes(self, part: Part, record: Record) -> Iterator[Cause]:
        for key in sorted(self.graph.get(part.key).parent_keys):
            read = self._read(part, key)
            records = self.records(key)
            now = {name: records[name].version for name in read if name in records}
            if read and record.inputs.get(key) != joint_version(now.values()):
                changed = self._changed(key, now, record.cursors.get(key)) or read
                names = ", ".join(str(Part(key, name)) for name in changed)
                yield Cause("data", names if key in record.inputs else f"{names}, not read before")

    def _changed(self, key: dg.AssetKey, now: Mapping[str, str], cursor: int | None) -> list[str]:
        if len(now) == 1:
            return list(now)
        return [
            name
            for name, version in now.items()
            if version_at(self.instance, key, name, cursor) != version
        ]

    def _file_causes(self, part: Part, record: Record) -> Iterator[Cause]:
        if part.key == dg.AssetKey("raw"):
            yield from self._raw_causes(part, record)
        elif record.is_stored:
            yield from self._stored_causes(part, record)

    def _raw_causes(self, part: Part, record: Record) -> Iterator[Cause]:
        """People may delete raw files once they are ingested: that alone is no cause."""
        domain = self._catalog.domains[part.partition]
        state = raw_state(self._catalog, domain)
        if state is None:
            if domain.source == "sample":
                yield Cause("file", "a raw file is missing; it is generated")
        elif state.files != record.tags.get(RAW_FILES_TAG):
            yield Cause("file", "raw files have another size or time than when they were read")

    def _stored_causes(self, part: Part, record: Record) -> Iterator[Cause]:
        """By existence and by the digest in the file's footer; content is verified on reading.

        Of a page, and of a folder, which holds a file a seed, only that it is there.
        """
        store = self._workspace.store
        asset, *rest = part.key.path
        key = "/".join([asset, part.partition, *rest])
        if any(store.exists(key, suffix) for suffix in _DIGESTED):
            yield from _content_causes(store, key, record.version)
        elif not (store.exists(key, ".html") or store.holds(key)):
            yield Cause("file", f"{store.path(key, '')}.* is missing")

    def _check_causes(self, part: Part) -> Iterator[Cause]:
        for name in not_passed(part.key, part.partition, self.graph, self.instance):
            yield Cause("check", f"did not pass {name}")

    # -- partitions ------------------------------------------------------------------------

    def _parts_of_scenario(self, name: str) -> Iterator[Part]:
        """Its own and what these read, partition by partition: what only other scenarios read of
        its domains is not among them."""
        keys = self.graph.toposorted_asset_keys
        waiting = [Part(key, name) for key in keys if name in self._partitions(key)]
        needed = set(waiting)
        while waiting:
            above = set(self.parents(waiting.pop())) - needed
            needed |= above
            waiting += above
        for key in keys:
            parts = (Part(key, partition) for partition in self._partitions(key))
            yield from (part for part in parts if part in needed)

    def _partitions(self, key: dg.AssetKey) -> Sequence[str]:
        """None where an asset has no partitions; it is left out of all this."""
        definition = self.graph.get(key).partitions_def
        names: Sequence[str] = definition.get_partition_keys() if definition else ()
        return names

    def _read(self, part: Part, key: dg.AssetKey) -> list[str]:
        """Which partitions of an asset above it a part reads, sorted."""
        if not self.graph.get(key).is_partitioned:
            return []
        if (part, key) not in self._reads:
            mapped = self.graph.get_parent_partition_keys_for_child(part.partition, key, part.key)
            self._reads[part, key] = sorted(mapped.partitions_subset.get_partition_keys())
        return self._reads[part, key]


def _content_causes(store: Store, key: str, recorded: str) -> Iterator[Cause]:
    try:
        digest = store.digest(key)
    except ValueError as corrupt:
        yield Cause("file", str(corrupt))
        return
    if digest != recorded:
        yield Cause("file", f"{key} holds {digest}, not the {recorded} that was recorded")
