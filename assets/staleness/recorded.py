"""What Dagster recorded of the latest materialization of each asset partition.

A few queries an asset, whatever the number of its partitions: Dagster's own resolver of
staleness asks for each edge of each partition, which is slow where there are hundreds.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.data_version import (
    extract_data_provenance_from_entry,
    extract_data_version_from_entry,
)

_MATERIALIZED = dg.DagsterEventType.ASSET_MATERIALIZATION


@dataclass(frozen=True, kw_only=True)
class Record:
    """One materialization: what was made, by which code, from what."""

    event: int  # its number in the event log
    version: str  # the data version: a digest of the content
    code_version: str | None  # None: reported by a person, made by no code
    inputs: Mapping[dg.AssetKey, str]  # by asset, `joint_version` of the partitions it read
    cursors: Mapping[dg.AssetKey, int | None]  # by asset, its latest event when it was read
    tags: Mapping[str, str]
    is_stored: bool  # as an artifact of the store, whose path Dagster was told


def latest_records(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Record]:
    """By partition, those of partitions that the asset no longer has among them."""
    ids = instance.event_log_storage.get_latest_storage_id_by_partition(key, _MATERIALIZED)
    if not ids:
        return {}
    asked = dg.AssetRecordsFilter(asset_key=key, storage_ids=list(ids.values()))
    found = instance.fetch_materializations(asked, limit=len(ids)).records
    return {str(record.partition_key): _record(record) for record in found}


def version_at(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str, cursor: int | None
) -> str | None:
    """The data version that a partition had when the event log ended at `cursor`."""
    if cursor is None:
        return None
    found = instance.get_latest_data_version_record(
        key, partition_key=partition, before_cursor=cursor + 1
    )
    return _record(found).version if found else None


def joint_version(versions: Iterable[str]) -> str:
    """Of several partitions' versions, in the order of the partitions' names, as Dagster
    records an input; a test holds it to that."""
    return hashlib.sha256("".join(versions).encode()).hexdigest()


def _record(record: dg.EventLogRecord) -> Record:
    entry = record.event_log_entry
    made = entry.asset_materialization
    version = extract_data_version_from_entry(entry)
    provenance = extract_data_provenance_from_entry(entry)
    return Record(
        event=record.storage_id,
        version=version.value if version else "",
        code_version=provenance.code_version if provenance else None,
        inputs={k: v.value for k, v in provenance.input_data_versions.items()}
        if provenance
        else {},
        cursors=provenance.input_storage_ids if provenance else {},
        tags=entry.tags or {},
        is_stored=made is not None and "path" in made.metadata,
    )
