"""Domains of the catalog: a catalogue of items each, where its raw files lie and how they read."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from pipeline.catalog.limits import check_above_zero, check_least

Format = Literal[
    "amazon-2014",
    "amazon-2018",
    "amazon-2023",
    "amazon-2023-histories",
    "ratings-csv",
    "recbole",
    "movielens",
    "llmcdsr",
    "c2dsr",
    "abxi",
    "user-sequences",
    "behaviour-files",
    "tmall-log",
    "table",
]
Source = Literal["files", "sample"]
Pooling = Literal["first_last_avg", "first_last_tokens", "mean", "last_token"]
FeaturePooling = Literal["first_last_avg", "first_last_tokens", "mean", "last_token", "sentence"]
Precision = Literal["float16", "float32"]

MOST_PIXELS = 178_956_970
"""Of one image: what Pillow decodes at most."""

NEEDED_KEYS: dict[str, tuple[str, ...]] = {
    "amazon-2014": ("reviews",),
    "amazon-2018": ("reviews",),
    "amazon-2023": ("reviews",),
    "amazon-2023-histories": ("folder", "category"),
    "ratings-csv": ("reviews",),
    "recbole": ("reviews",),
    "movielens": ("folder",),
    "llmcdsr": ("folder", "half"),
    "c2dsr": ("folder", "half"),
    "abxi": ("folder", "half"),
    "user-sequences": ("reviews",),
    "behaviour-files": ("folder", "behaviour_files"),
    "tmall-log": ("reviews",),
    "table": ("reviews", "columns"),
}
"""What each format cannot do without."""

READ_KEYS: dict[str, tuple[str, ...]] = {
    "amazon-2014": ("items", "download"),
    "amazon-2018": ("items", "download"),
    "amazon-2023": ("items", "download"),
    "ratings-csv": ("order", "download"),
    "recbole": ("items",),
    "user-sequences": ("items",),
    "table": ("items", "item_columns", "separator"),
}
"""What else a format reads; any other key of a layout is an error."""

_LAYOUT = {key for keys in (*NEEDED_KEYS.values(), *READ_KEYS.values()) for key in keys}


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of the columns of an own table of interactions."""

    user: str
    item: str
    timestamp: str  # numbers (seconds or milliseconds since 1970) or ISO 8601 texts
    rating: str | None = None
    text: str | None = None
    behaviour: str | None = None
    verified: str | None = None


@dataclass(frozen=True, kw_only=True)
class ItemColumns:
    """Names of the columns of an own table of items."""

    item: str
    title: str | None = None
    category: str | None = None  # a path, its names parted by " > "
    brand: str | None = None
    description: str | None = None
    price: str | None = None  # a number, or a text such as "$1,299.00"
    image_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class BehaviourFile:
    """A released file of one behaviour: lines "user item item ...", or Parquet (user, item)."""

    behaviour: str  # "view", "cart", "collect", "buy", ...
    file: str  # in the domain's folder
    part: Literal["train", "valid", "test"] = "train"  # of the published split


@dataclass(frozen=True, kw_only=True)
class Download:
    """Which official dump is fetched into the places that `reviews` and `items` name."""

    category: str  # as the release spells it: "Grocery_and_Gourmet_Food"
    kind: Literal["full", "5-core", "ratings"] = "full"
    base_url: str | None = None  # of a mirror with the official paths
    reviews_sha256: str | None = None  # in hex; checked where given
    items_sha256: str | None = None
    allow_private: bool = False  # connect to this machine and its network, too


@dataclass(frozen=True, kw_only=True)
class FeatureModels:
    """Which frozen models read a domain's items and its users' reviews, and how they are pooled.

    A model is `package:<name>`, `folder:<path below the data folder>` or a hub id.
    """

    item_model: str | None = None  # reads title, brand, category, description and images of an item
    user_model: str | None = None  # reads a user's reviews
    chat: bool = True  # False: plain text, for base models, which have no chat template
    # "sentence": the models are sentence encoders, which pool in their own way and read plain
    # texts: an item's title, brand, category and description, and each review by itself.
    pooling: FeaturePooling = "first_last_avg"
    item_text: bool = True  # False: of an item its images alone are read
    precision: Precision = "float16"  # of stored vectors; float16 errs by some 0.03 %
    min_item_reviews: int = 1  # 0: every item of the metadata
    min_user_reviews: int = 1  # reviews with text
    max_users: int | None = None  # a seeded sample, where reading all would cost too much
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Images:
    """Where a domain's images come from, and what is accepted of them."""

    folder: str | None = None  # of <item id>.<ending> or <item id>_<number>.<ending> files
    download: bool = False  # from the URLs of the metadata, for items without such a file
    max_per_item: int = 1
    max_bytes: int = 10_000_000  # of one image, as it is sent
    max_pixels: int = 40_000_000  # width x height, at most MOST_PIXELS
    timeout_seconds: float = 20.0  # of one request, from connecting to its last byte
    attempts: int = 4  # where a failure may pass
    concurrency: int = 16  # requests in flight
    per_host: int = 4  # of them to one host
    per_host_delay_seconds: float = 0.0  # least time between two starts
    allow_private: bool = False  # connect to this machine and its network, too


@dataclass(frozen=True, kw_only=True)
class Domain:
    """One catalogue of items. Paths are relative to the data folder.

    A sub-domain names `within`: its items are those of another domain whose category path
    begins with one of `paths` and with none of `without`. It reads that domain's files.
    """

    name: str
    title: str  # what people and prompts call its products: "groceries, food and beverage"
    format: Format | None = None  # of the raw files; a sub-domain takes its parent's
    source: Source = "files"  # "sample": generated by pipeline.ingest.sample
    reviews: str | None = None  # the file of reviews, ratings or interactions
    items: str | None = None  # the file of metadata; without it items have no titles
    folder: str | None = None  # of formats that are several files
    half: Literal["A", "B"] | None = None  # llmcdsr, c2dsr, abxi: which of the folder's domains
    category: str | None = None  # amazon-2023-histories: whose reviews are read
    order: Literal["user-item", "item-user"] | None = None  # ratings-csv without a header line
    columns: Columns | None = None  # table
    item_columns: ItemColumns | None = None  # table
    separator: str = ","  # table, of CSV
    behaviour_files: tuple[BehaviourFile, ...] = ()
    within: str | None = None  # the parent of a sub-domain
    paths: tuple[str, ...] = ()  # such as "Digital Music > Rock"; "*" stands for any one name
    without: tuple[str, ...] = ()
    download: Download | None = None
    rating_range: tuple[float, float] = (1.0, 5.0)  # a rating outside is a rejected row
    max_rejected_rows: int = 0  # more than this many unreadable or impossible rows is an error
    max_dropped_share: float = 0.05  # of rows without ids, with absurd times or ratings
    keep_repeats: bool = False  # keep each event of a user, item and behaviour, not the first alone
    features: FeatureModels | None = None
    images: Images | None = None


_OWN_OF_SUB_DOMAIN = ("name", "title", "within", "paths", "without", "features", "images")


def resolve_sub_domain(domain: Domain, domains: dict[str, Domain], where: str) -> Domain:
    """A sub-domain with its parent's files; any other domain as it is."""
    if domain.within is None:
        return domain
    parent = domains.get(domain.within)
    if parent is None or parent.within is not None:
        known = ", ".join(sorted(name for name, other in domains.items() if other.within is None))
        raise ValueError(
            f"{where}.within names {domain.within!r}; it must be a domain with files: {known}"
        )
    if not domain.paths:
        raise ValueError(f"{where}.paths is missing: which categories of {domain.within!r} it is")
    for entry in dataclasses.fields(Domain):
        if entry.name not in _OWN_OF_SUB_DOMAIN and getattr(domain, entry.name) != entry.default:
            raise ValueError(f"{where}.{entry.name}: a sub-domain takes this from its parent")
    own = {key: getattr(domain, key) for key in _OWN_OF_SUB_DOMAIN}
    return dataclasses.replace(parent, **own)


def check_domain(domain: Domain, where: str) -> None:
    """ValueError where keys do not go together; `where` names file and table."""
    _check_layout(domain, where)
    if not domain.within and (domain.paths or domain.without):
        raise ValueError(f"{where}.paths and .without need .within: the domain they are part of")
    if domain.rating_range[0] >= domain.rating_range[1]:
        raise ValueError(f"{where}.rating_range = {domain.rating_range}; lowest first")
    check_least(domain, ("max_rejected_rows", "max_dropped_share"), 0, where)
    _check_images(domain, f"{where}.images")
    _check_features(domain, f"{where}.features")


def _check_layout(domain: Domain, where: str) -> None:
    if domain.format is None:
        raise ValueError(f"{where}.format is missing: what its raw files are, or .within")
    needed = NEEDED_KEYS[domain.format]
    read = (*needed, *READ_KEYS.get(domain.format, ()))
    defaults = {entry.name: entry.default for entry in dataclasses.fields(Domain)}
    for key in sorted(_LAYOUT):
        is_set = getattr(domain, key) != defaults[key]
        if key in needed and not is_set:
            raise ValueError(f"{where}.{key} is missing: format {domain.format!r} needs it")
        if is_set and key not in read:
            raise ValueError(
                f"{where}.{key}: format {domain.format!r} does not read it; it reads "
                f"{', '.join(read)}"
            )
    if domain.items and domain.format == "table" and domain.item_columns is None:
        raise ValueError(f"{where}.item_columns is missing: the names of columns in .items")


def _check_features(domain: Domain, where: str) -> None:
    models = domain.features
    if models is None:
        return
    if not (models.item_model or models.user_model):
        raise ValueError(f"{where}: name an item_model or a user_model")
    check_least(models, ("max_users", "min_user_reviews"), 1, where)
    check_least(models, ("min_item_reviews", "seed"), 0, where)
    if models.pooling == "sentence" and models.item_model and domain.images:
        raise ValueError(f"{where}.pooling = 'sentence'; a sentence encoder reads no images")
    if not models.item_text and not domain.images:
        raise ValueError(f"{where}.item_text = false; without .images there is nothing to read")
    if models.item_model and domain.images and not models.chat:
        raise ValueError(f"{where}.chat = false; a prompt that shows images must be a chat")


def _check_images(domain: Domain, where: str) -> None:
    images = domain.images
    if images is None:
        return
    if not (images.folder or images.download):
        raise ValueError(f"{where}: name a folder, or say download = true")
    if images.download and not domain.items:
        raise ValueError(
            f"{where}.download = true; the domain names no items, so there are no URLs"
        )
    counts = ("max_per_item", "max_bytes", "max_pixels", "attempts", "concurrency", "per_host")
    check_least(images, counts, 1, where)
    if images.max_pixels > MOST_PIXELS:
        raise ValueError(f"{where}.max_pixels = {images.max_pixels}; at most {MOST_PIXELS}")
    check_above_zero(images, "timeout_seconds", where)
    if images.per_host_delay_seconds < 0:
        delay = images.per_host_delay_seconds
        raise ValueError(f"{where}.per_host_delay_seconds = {delay}; it must not be below 0")
