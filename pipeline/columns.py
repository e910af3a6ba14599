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
        pa.field("rating", pa.float32()),  # null where the source has none
        pa.field("text", pa.string()),  # summary and review text
        pa.field("behaviour", pa.string()),  # "view", "buy", ...; null where there is one alone
        pa.field("verified", pa.bool_()),  # a verified purchase; null where the source does not say
        pa.field("part", pa.string()),  # PARTS; null where the publisher made no split
    ]
)
"""What users did. Readers yield these columns too, uncleaned and all of them nullable."""

ITEMS = pa.schema(
    [
        _field("item_id", pa.string()),
        pa.field("title", pa.string()),  # null where metadata is missing
        pa.field("category", pa.string()),  # its first path
        _field("categories", pa.list_(pa.string())),  # every path, names joined by " > "
        pa.field("brand", pa.string()),
        pa.field("description", pa.string()),
        pa.field("price", pa.float32()),  # above 0, in the source's currency
        _field("image_urls", pa.list_(pa.string())),  # http(s), best first; empty where none
    ]
)

RAW_ITEMS = pa.schema(
    [
        *(ITEMS.field(name).with_nullable(True) for name in ITEMS.names if name != "price"),
        pa.field("price", pa.string()),
    ]
)
"""What readers yield: uncleaned, prices as text."""

REJECTED_ROWS = pa.schema(
    [
        _field("file", pa.string()),  # its name in the raw folder
        _field("row", pa.int64()),  # 1-based: of a text file its line, of Parquet its row
        _field("reason", pa.string()),  # field and value; never the line: it may hold names
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
        pa.field("rating", pa.float32()),
        pa.field("behaviour", pa.string()),
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
"""Training sequences of users of one domain and of several, validation and test cases."""

SEQUENCES = pa.schema(
    [
        _field("user", pa.int32()),  # row number, 0-based, after the seeded shuffle
        _field("user_id", pa.string()),
        _field("part", pa.string()),  # one of PARTS
        _field("items", pa.list_(pa.int32())),  # training: all; valid/test: what is visible
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

RATINGS = pa.schema(
    [
        _field("cold_ratio", pa.float32()),  # the share of overlap users that tests
        _field("part", pa.string()),  # train, valid or test
        _field("role", pa.string()),  # RATING_ROLES, of the user at this ratio
        _field("user", pa.int32()),  # dense, 0-based, the same at every ratio
        _field("user_id", pa.string()),
        _field("domain", pa.string()),
        _field("item", pa.int32()),  # of the vocabulary
        _field("rating", pa.float32()),
        _field("timestamp", pa.int64()),
    ]
)

RATING_ROLES = ("overlap", "side", "auxiliary", "cold")
"""Training users of both domains, of the target alone, of the auxiliary domain alone; and those
of both whose target ratings are hidden from training, which validate or test."""

RATING_PREDICTIONS = pa.schema(
    [
        _field("system", pa.string()),
        _field("train_seed", pa.int32()),
        _field("cold_ratio", pa.float32()),
        _field("part", pa.string()),  # valid or test
        _field("user", pa.int32()),  # of the ratings table
        _field("item", pa.int32()),
        _field("rating", pa.float32()),  # as given
        _field("predicted", pa.float32()),  # within the target domain's rating range
    ]
)

RATING_LEADERBOARD = pa.schema(
    [
        _field("cold_ratio", pa.float32()),
        _field("system", pa.string()),
        _field("metric", pa.string()),  # RMSE or MAE, over all test ratings; lower is better
        _field("mean", pa.float64()),  # over training seeds
        pa.field("seed_std", pa.float64()),  # null: one seed
        _field("low", pa.float64()),  # of the 95 % bootstrap interval, users resampled
        _field("high", pa.float64()),
        _field("num_users", pa.int32()),
        _field("num_ratings", pa.int32()),
        _field("num_seeds", pa.int32()),
        pa.field("versus", pa.string()),  # the baseline to beat; null for itself
        pa.field("delta", pa.float64()),  # mean less that of `versus`; below zero is better
        pa.field("delta_low", pa.float64()),
        pa.field("delta_high", pa.float64()),
        pa.field("p_value", pa.float64()),
    ]
)

RATING_EXPERIMENT = pa.schema(
    [
        _field("experiment", pa.string()),
        _field("variant", pa.string()),
        _field("reference", pa.bool_()),  # the unchanged run
        _field("part", pa.string()),  # valid or test
        _field("cold_ratio", pa.float32()),
        _field("metric", pa.string()),  # as in RATING_LEADERBOARD
        _field("mean", pa.float64()),
        pa.field("seed_std", pa.float64()),  # over training seeds; null with one seed
        _field("low", pa.float64()),  # of the 95 % bootstrap interval, users resampled
        _field("high", pa.float64()),
        pa.field("delta", pa.float64()),  # mean less the reference's, which has null here
        pa.field("p_value", pa.float64()),
        _field("num_users", pa.int32()),
        _field("num_ratings", pa.int32()),
        _field("num_seeds", pa.int32()),
        _field("train_seconds", pa.float64()),  # of one seed and cold ratio, in the mean
        _field("num_parameters", pa.int64()),
    ]
)

CLICKS = pa.schema(
    [
        _field("part", pa.string()),  # train, valid or test
        _field("user", pa.int32()),  # dense, 0-based
        _field("user_id", pa.string()),
        _field("item", pa.int32()),  # the target, of the vocabulary
        _field("label", pa.int8()),  # 1: clicked; 0: drawn
        _field("timestamp", pa.int64()),  # of the click that the row is about
        _field("history", pa.list_(pa.int32())),  # earlier clicks, oldest first; never empty
    ]
)

BEHAVIOUR_CASES = pa.schema(
    [
        _field("part", pa.string()),  # train, valid or test
        _field("user", pa.int32()),  # dense, 0-based
        _field("user_id", pa.string()),
        _field("label", pa.int32()),  # an item of the target behaviour
        pa.field("timestamp", pa.int64()),  # of the label; null where the source has no times
        _field("items", pa.list_(pa.int32())),  # history before it, oldest first; may be empty
        _field("behaviours", pa.list_(pa.int8())),  # of each: 0 the target, 1.. the auxiliary ones
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
        _field("std_error", pa.float64()),  # of the mean, by the same bootstrap
        pa.field("versus", pa.string()),  # the best baseline; its own rows have null in these five
        pa.field("delta", pa.float64()),  # mean less that baseline's
        pa.field("delta_low", pa.float64()),  # its 95 % interval, over pairs
        pa.field("delta_high", pa.float64()),
        pa.field("p_value", pa.float64()),  # that the difference is none, over pairs
        pa.field("published", pa.float64()),  # the paper's value, where the scenario has one
        _field("num_users", pa.int32()),
        _field("num_seeds", pa.int32()),
    ]
)

EXPERIMENT = pa.schema(
    [
        _field("experiment", pa.string()),
        _field("variant", pa.string()),
        _field("reference", pa.bool_()),  # the unchanged run
        _field("part", pa.string()),  # valid or test
        _field("target_domain", pa.string()),
        _field("metric", pa.string()),  # as in LEADERBOARD; negatives of the target domain
        _field("mean", pa.float64()),  # over users, candidate seeds and training seeds
        pa.field("seed_std", pa.float64()),  # over training seeds; null with one seed
        _field("low", pa.float64()),  # 95 % bootstrap interval over users
        _field("high", pa.float64()),
        pa.field("delta", pa.float64()),  # mean less that of the reference, which has null here
        pa.field("p_value", pa.float64()),  # paired bootstrap against the reference
        _field("num_users", pa.int32()),
        _field("num_seeds", pa.int32()),
        pa.field("train_seconds", pa.float64()),  # of one seed, in the mean; null if it counts
        _field("num_parameters", pa.int64()),  # trainable; those a variant leaves idle count too
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


MLFLOW_RUNS = pa.schema(
    [
        _field("name", pa.string()),  # of the run: "lgcd seed 0"
        _field("fingerprint", pa.string()),  # of what it records
        _field("run_id", pa.string()),  # MLflow's
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
