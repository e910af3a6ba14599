"""Whether every label competes with distinct items, none of them itself, of the right domain."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.finding import Finding
from pipeline.store import Store

_PARTS = ("valid", "test")
_BLOCK = 4096  # lists that are looked at together


def candidates_are_unique(scenario: Scenario, store: Store) -> Finding:
    """Reads the negatives in batches; kept of a case are its label and its domain."""
    label_of, bounds_of = _cases(scenario, store)
    rows = negatives = repeated = own = foreign = 0
    fewest = scenario.candidates.num_negatives
    for batch in _blocks(scenario, store):
        items, row, lengths = _flat(batch.column("negatives"))
        case = _case_of(batch, len(label_of))
        # One sorted run of (row, item): a repetition stands beside its twin.
        together = row * (int(items.max(initial=0)) + 1) + items
        together.sort()
        repeated += int((together[1:] == together[:-1]).sum())
        own += int((items == label_of[case][row]).sum())
        is_all = pc.equal(batch.column("pool"), "all").to_numpy(zero_copy_only=False)
        is_all &= label_of[case] > 0
        low, high = bounds_of[case].T
        low, high = np.where(is_all, 1, low), np.where(is_all, bounds_of.max(), high)
        foreign += int(((items < low[row]) | (items > high[row])).sum())
        rows, negatives = rows + len(lengths), negatives + len(items)
        fewest = min(fewest, int(lengths.min(initial=fewest)))
    wrong = repeated + own + foreign
    return Finding(
        passed=wrong == 0 and fewest > 0 and rows > 0,
        says=f"of {negatives} negatives {repeated} are repeated, {own} are the label itself and "
        f"{foreign} are outside their pool; the shortest list holds {fewest}",
        figures={
            "lists": rows,
            "negatives": negatives,
            "repeated": repeated,
            "label among them": own,
            "outside the pool": foreign,
            "shortest list": fewest,
        },
    )


def _blocks(scenario: Scenario, store: Store) -> Iterator[pa.RecordBatch]:
    """A stored batch is cut: its lists as 64-bit integers would take a gigabyte and more."""
    for batch in store.read_batches(f"candidates/{scenario.name}"):
        yield from (batch.slice(start, _BLOCK) for start in range(0, len(batch), _BLOCK))


def _cases(scenario: Scenario, store: Store) -> tuple[np.ndarray, np.ndarray]:
    """By case, `len(_PARTS) * user + part`: its label, and the first and last item of its domain.

    Zeros where there is no such case, the last entry among them, which stands for all users that
    are not there: the candidates of nobody are outside their pool.
    """
    vocabulary = store.read_table(f"vocabulary/{scenario.name}", ["item", "domain"])
    item, domain = vocabulary["item"].to_numpy(), vocabulary["domain"]
    bounds = np.zeros((len(scenario.domains), 2), dtype=np.int64)
    for place, name in enumerate(scenario.domains):
        own = item[pc.equal(domain, name).to_numpy()]
        bounds[place] = own.min(initial=len(item)), own.max(initial=0)
    columns = ["user", "part", "target_domain", "label"]
    table = store.read_table(f"sequences/{scenario.name}", columns)
    cases = table.filter(pc.is_valid(table["label"])).combine_chunks()
    place = pc.index_in(cases["target_domain"], pa.array(scenario.domains)).to_numpy()
    size = len(_PARTS) * (int(pc.max(table["user"]).as_py() or 0) + 1) + 1
    case = _case_of(cases, size)
    label_of, bounds_of = np.zeros(size, np.int64), np.zeros((size, 2), np.int64)
    label_of[case], bounds_of[case] = cases["label"].to_numpy(), bounds[place]
    return label_of, bounds_of


def _case_of(rows: pa.Table | pa.RecordBatch, size: int) -> np.ndarray:
    part = pc.index_in(rows["part"], pa.array(_PARTS)).to_numpy(zero_copy_only=False)
    case = len(_PARTS) * rows["user"].to_numpy().astype(np.int64) + part.astype(np.int64)
    return np.minimum(case, size - 1)


def _flat(lists: pa.ListArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All items of the lists, the row of each, and the lengths."""
    items = lists.flatten().to_numpy().astype(np.int64)
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    return items, np.repeat(np.arange(len(lists)), lengths), lengths
