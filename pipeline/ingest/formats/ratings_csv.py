"""Reader of ratings-only files: a line is a user, an item, a rating and a time.

So come Amazon's ratings: of 2014 as user,item,rating,timestamp without a header, of 2018 as
item,user,rating,timestamp without one, of 2023 with the header
user_id,parent_asin,rating,timestamp (in milliseconds), in the 5-core files followed by history.
Where there is a header its names decide, and fields that no name fits are not read.

Swapped users and items would make domains that share no user, without an error anywhere. So the
ids of the first block are looked at: where what is read as users looks like Amazon's items and
the other way round, that is an error. Ids that look like neither are taken as they come.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Domain
from pipeline.ingest.formats.delimited import Layout, first_line, read_review_lines
from pipeline.ingest.formats.rows import ReadLog, shown

REQUIRED = ("user_id", "item_id", "rating", "timestamp")

_NAMES = {
    "user_id": ("user_id", "userid", "user", "reviewerid"),
    "item_id": ("parent_asin", "item_id", "itemid", "item", "asin"),
    "rating": ("rating", "ratings", "overall", "stars"),
    "timestamp": ("timestamp", "time", "unixreviewtime"),
}
_ORDERS = {
    "user-item": ("user_id", "item_id", "rating", "timestamp"),
    "item-user": ("item_id", "user_id", "rating", "timestamp"),
}
_OTHER_ORDER = {"user-item": "item-user", "item-user": "user-item"}
_USER = r"^A[A-Z0-9]{9,39}$"
_ITEM = r"^(B[A-Z0-9]{9}|[0-9]{9}[0-9X])$"
_SURE = 0.9
"""Share of a column's distinct ids that must have a shape before it counts as telling."""

_NUMBER = re.compile(r"\s*[+-]?[0-9.]+([eE][+-]?[0-9]+)?\s*")


def places(domain: Domain) -> dict[str, tuple[str, str]]:
    assert domain.reviews is not None  # the catalog requires it of this format
    return {"reviews": (domain.reviews, "reviews")}


def read_reviews(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Ratings in REVIEWS columns; text, behaviour, verified and part are null.

    Raises ValueError where neither a header nor the domain's `order` says which field is which,
    where users and items look swapped, and, naming file and row, where more rows are rejected
    than the domain allows.
    """
    path = paths["reviews"]
    first = first_line(path)
    if first is None:
        return
    row, line = first
    fields = line.decode(errors="replace").split(",")
    has_header = _is_header(fields)
    layout = _layout_of_header(path, fields) if has_header else _layout(path, fields, log.domain)
    after = row if has_header else 0
    is_checked = False
    for batch in read_review_lines(path, layout, log, required=REQUIRED, after=after):
        if not is_checked and batch.num_rows:
            _check_not_swapped(path, batch, layout, log.domain, has_header)
            is_checked = True
        yield batch


def read_items(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Nothing: such a file has no metadata."""
    return iter(())


def _is_header(fields: list[str]) -> bool:
    """A row of data has numbers after its ids; a header has none."""
    return not any(_NUMBER.fullmatch(field) for field in fields[2:])


def _layout_of_header(path: Path, fields: list[str]) -> Layout:
    names = [field.strip().lower() for field in fields]
    if any(name.startswith('"') for name in names):
        raise ValueError(
            f"{path}: its header is quoted ({shown(','.join(fields))}); a file with quoted fields "
            'reads as format = "table", with the names of its columns in .columns'
        )
    found = {}
    for target, known in _NAMES.items():
        place = next((names.index(name) for name in known if name in names), None)
        if place is None:
            raise ValueError(
                f"{path}: its first line, {shown(','.join(fields))}, is neither a row (its third "
                "and fourth field would be numbers) nor a header with a column named "
                f"{' or '.join(known)}. Name the columns so, or read the file as "
                'format = "table"'
            )
        found[target] = place
    read = {target: fields[place].strip() for target, place in found.items()}
    return Layout(separator=",", width=len(fields), places=found, names=read)


def _layout(path: Path, fields: list[str], domain: Domain) -> Layout:
    if domain.order is None:
        raise ValueError(
            f"{path} has no header, so domain.{domain.name}.order must say which field comes "
            f'first: order = "user-item" or "item-user". {_hint(fields)}'
        )
    order = _ORDERS[domain.order]
    names = {target: f"field {place} ({target})" for place, target in enumerate(order, start=1)}
    places_of = {target: place for place, target in enumerate(order)}
    return Layout(separator=",", width=4, places=places_of, names=names)


def _hint(fields: list[str]) -> str:
    ids = (*fields, "", "")[:2]
    for order, shapes in (("user-item", (_USER, _ITEM)), ("item-user", (_ITEM, _USER))):
        if all(re.search(shape, name) for shape, name in zip(shapes, ids, strict=True)):
            return f"Its first line, {', '.join(ids)}, looks like {order!r}"
    return f"Its first line begins with {', '.join(map(shown, ids))}, which suggests neither"


def _check_not_swapped(
    path: Path, batch: pa.RecordBatch, layout: Layout, domain: Domain, has_header: bool
) -> None:
    users, items = batch["user_id"].unique(), batch["item_id"].unique()
    if not (_is_shaped(users, _ITEM) and _is_shaped(items, _USER)):
        return
    remedy = "correct the names in its header"
    if not has_header:
        assert domain.order is not None
        remedy = f'set domain.{domain.name}.order = "{_OTHER_ORDER[domain.order]}"'
    raise ValueError(
        f"{path}: users and items are swapped. What is read as users, {layout.names['user_id']}, "
        f"looks like Amazon's items ({_examples(users)}); what is read as items, "
        f"{layout.names['item_id']}, looks like its users ({_examples(items)}). To repair it, "
        f"{remedy}"
    )


def _is_shaped(ids: pa.Array, shape: str) -> bool:
    return (pc.mean(pc.match_substring_regex(ids, shape)).as_py() or 0.0) >= _SURE


def _examples(ids: pa.Array) -> str:
    return ", ".join(shown(name) for name in ids[:3].to_pylist())
