"""User features: what a frozen LLM makes of a user's reviews in one domain (MuSiC, 3.2).

A row holds all that a user wrote in the domain. Whoever trains on a split must not read the
target-domain rows of users whose target side is held out.
"""

import numpy as np
import polars as pl

from pipeline.catalog import Domain, FeatureModels
from pipeline.columns import review_feature_schema
from pipeline.extract.engine import Features
from pipeline.extract.extraction import Extraction, features
from pipeline.extract.feature_prompts import USER_PROMPT, user_request
from pipeline.extract.feature_table import FeatureRows, FeatureTable, write_features
from pipeline.extract.sentence_features import sentence_features
from pipeline.outcome import Outcome
from pipeline.store import Store


def build_review_features(domain: Domain, store: Store, extraction: Extraction) -> Outcome:
    """Write `review_features/<domain>`: a vector for each user with enough reviews.

    Where a user's reviews are longer than the model's window, the oldest are cut first; a sentence
    encoder reads each by itself (sentence_features.py). Raises ValueError where nobody has as
    many reviews with text as the catalog asks for.
    """
    models = domain.features
    assert models and models.user_model
    users, without_text = _users(domain, store, models)
    described = users.select("user_id", reviews=pl.col("text").list.len().cast(pl.Int32))
    table = FeatureTable(
        key=f"review_features/{domain.name}",
        model=models.user_model,
        pooling=models.pooling,
        schema=review_feature_schema,
        columns=described.to_arrow(),
        is_extracted=np.ones(users.height, dtype=bool),
        extracted=_extracted(users, domain, models, extraction),
        precision=models.precision,
    )
    artifact, facts = write_features(table, store)
    facts |= {
        "users_without_text": without_text,
        "reviews_read": int(described["reviews"].sum()) - int(facts["history_entries_cut"]),
    }
    return Outcome(artifact=artifact, facts=facts, preview=described.head(8).to_arrow())


def _extracted(
    users: pl.DataFrame, domain: Domain, models: FeatureModels, extraction: Extraction
) -> FeatureRows:
    assert models.user_model
    if models.pooling == "sentence":
        texts = users["text"].to_list()
        return sentence_features(extraction, models.user_model, texts, models.precision)
    requests = [
        user_request(row["user_id"], domain.title, row["text"], models.chat)
        for row in users.iter_rows(named=True)
    ]
    task = Features(model=models.user_model, prompt=USER_PROMPT, pooling=models.pooling)
    return features(extraction, task, requests, models.precision)


def _users(domain: Domain, store: Store, models: FeatureModels) -> tuple[pl.DataFrame, int]:
    """Users with the texts of their reviews, oldest first; and how many wrote nothing."""
    columns = ["user_id", "timestamp", "text"]
    reviews = pl.DataFrame(pl.from_arrow(store.read_table(f"reviews/{domain.name}", columns)))
    everybody = reviews["user_id"].n_unique()
    written = reviews.filter(pl.col("text").str.strip_chars().str.len_bytes() > 0)
    users = (
        written.sort("user_id", "timestamp", maintain_order=True)
        .group_by("user_id", maintain_order=True)
        .agg("text")
    )
    without_text = everybody - users.height
    enough = users.filter(pl.col("text").list.len() >= models.min_user_reviews)
    if enough.is_empty():
        raise ValueError(
            f"domain {domain.name!r}: of {everybody} users {users.height} wrote any text, and none "
            f"{models.min_user_reviews} reviews: lower features.min_user_reviews in the catalog"
        )
    return _sampled(enough, models), without_text


def _sampled(users: pl.DataFrame, models: FeatureModels) -> pl.DataFrame:
    """At most `max_users`, in their order; a larger number adds to those of a smaller one."""
    if models.max_users is None:
        return users
    order = np.random.default_rng(models.seed).permutation(users.height)
    return users[np.sort(order[: models.max_users])]
