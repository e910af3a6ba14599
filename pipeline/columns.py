"""Every table's schema, once. `Store.write_table` holds each artifact to its schema.

PyArrow schemas, not Polars ones, because training and evaluation read the same tables on
machines that have no Polars. A field marked not nullable may hold no null.
"""

import pyarrow as pa


def _field(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


REVIEWS = pa.schema(
    [
        _field("user_id", pa.string()),
        _field("item_id", pa.string()),
        _field("timestamp", pa.int64()),  # seconds since 1970, or position in a sequence file
        pa.field("rating", pa.float32()),  # 1..5; null where the source has none
        pa.field("text", pa.string()),  # summary and review text
        pa.field("part", pa.string()),  # PARTS; null where the publisher made no split
    ]
)

ITEMS = pa.schema(
    [
        _field("item_id", pa.string()),
        pa.field("title", pa.string()),  # null where metadata is missing
        pa.field("category", pa.string()),  # path joined by " > "
        pa.field("brand", pa.string()),
        _field("image_urls", pa.list_(pa.string())),  # http(s), best first; empty where none
    ]
)

ITEM_IMAGES = pa.schema(
    [
        _field("item_id", pa.string()),
        _field("position", pa.int32()),  # 0-based, among the item's images
        _field("source", pa.string()),  # its URL, or the name of its file
        _field("status", pa.string()),  # "ok", or why there is no image: "http-404", "broken", ...
        pa.field("sha256", pa.string()),  # of its bytes, in hex; this and what follows null
        pa.field("format", pa.string()),  # unless ok: "jpeg", "png", ...
        pa.field("width", pa.int32()),  # pixels
        pa.field("height", pa.int32()),
        pa.field("num_bytes", pa.int64()),
    ]
)

INTERACTIONS = pa.schema(
    [
        _field("user_id", pa.string()),
        _field("domain", pa.string()),
        _field("item_id", pa.string()),
        _field("timestamp", pa.int64()),
        pa.field("part", pa.string()),
    ]
)

VOCABULARY = pa.schema(
    [
        _field("item", pa.int32()),  # dense id, 1..num_items; domains in scenario order
        _field("domain", pa.string()),
        _field("item_id", pa.string()),
        _field("title", pa.string()),  # the item's id where the metadata has no title
        _field("text", pa.string()),  # what the text encoder reads: title, category, brand
        _field("has_title", pa.bool_()),
    ]
)

PARTS = ("single", "overlap", "valid", "test")
"""Training users of one domain, training users of both, validation users, test users."""

SEQUENCES = pa.schema(
    [
        _field("user", pa.int32()),  # row number, 0-based, after the seeded shuffle
        _field("user_id", pa.string()),
        _field("part", pa.string()),  # one of PARTS
        _field("items", pa.list_(pa.int32())),  # training: all; valid/test: visible source items
        pa.field("target_domain", pa.string()),  # valid/test only
        pa.field("label", pa.int32()),  # valid/test only: the held-out item
    ]
)

POOLS = ("target", "all")
"""Negatives drawn from the label's domain (primary), or from all domains (secondary)."""

CANDIDATES = pa.schema(
    [
        _field("user", pa.int32()),
        _field("part", pa.string()),  # valid or test
        _field("pool", pa.string()),  # one of POOLS
        _field("seed", pa.int32()),
        _field("negatives", pa.list_(pa.int32())),
    ]
)

GENERATED_TITLES = pa.schema(
    [
        _field("user", pa.int32()),
        _field("part", pa.string()),  # single, or overlap for the recall probe
        _field("target_domain", pa.string()),
        _field("titles", pa.list_(pa.string())),  # distinct, in the model's order; may be empty
        _field("finished", pa.bool_()),  # False: the token limit cut the answer
        _field("output_tokens", pa.int32()),
    ]
)

PSEUDO_INTERACTIONS = pa.schema(
    [
        _field("user", pa.int32()),
        _field("part", pa.string()),
        _field("target_domain", pa.string()),
        _field("items", pa.list_(pa.int32())),  # nearest first
        _field("scores", pa.list_(pa.float32())),  # cosine, -1..1
    ]
)

RANKS = pa.schema(
    [
        _field("system", pa.string()),
        _field("train_seed", pa.int32()),
        _field("part", pa.string()),
        _field("user", pa.int32()),
        _field("target_domain", pa.string()),
        _field("pool", pa.string()),  # target, all, or full
        _field("candidate_seed", pa.int32()),  # 0 for full
        _field("num_candidates", pa.int32()),  # label included
        _field("rank", pa.float32()),  # 1 is best; a tie counts half
    ]
)

LEADERBOARD = pa.schema(
    [
        _field("system", pa.string()),
        _field("target_domain", pa.string()),
        _field("pool", pa.string()),
        _field("metric", pa.string()),  # HR@5, HR@10, NDCG@5, NDCG@10
        _field("mean", pa.float64()),  # over users, candidate seeds and training seeds
        pa.field("seed_std", pa.float64()),  # over training seeds; null with one seed
        _field("low", pa.float64()),  # 95 % bootstrap interval over users
        _field("high", pa.float64()),
        pa.field("p_value", pa.float64()),  # paired bootstrap against the best baseline
        pa.field("versus", pa.string()),  # that baseline
        pa.field("published", pa.float64()),  # the paper's value, where the scenario has one
        _field("num_users", pa.int32()),
        _field("num_seeds", pa.int32()),
    ]
)

RECOMMENDATIONS = pa.schema(
    [
        _field("user_id", pa.string()),
        _field("target_domain", pa.string()),
        _field("rank", pa.int32()),  # 1 is best
        _field("item_id", pa.string()),
        _field("title", pa.string()),
        _field("score", pa.float32()),
    ]
)


def item_feature_schema(vector: pa.DataType) -> pa.Schema:
    """Pooled hidden states of items; `vector` is a fixed-size list of float16 or float32."""
    return pa.schema(
        [
            _field("item_id", pa.string()),
            _field("vector", vector),  # zeros where an item has neither text nor image
            _field("has_text", pa.bool_()),
            _field("images", pa.int32()),  # that the model saw; 0: it read the text alone
            _field("lost_images", pa.int32()),  # missing, broken or refused
        ]
    )


def review_feature_schema(vector: pa.DataType) -> pa.Schema:
    """Pooled hidden states of users, from their reviews in one domain."""
    return pa.schema(
        [
            _field("user_id", pa.string()),
            _field("vector", vector),
            _field("reviews", pa.int32()),  # with text
            _field("cut_reviews", pa.int32()),  # left out or shortened: the prompt was too long
        ]
    )
