"""The systems of cold-start-rating scenarios, and what each is trained from."""

_RATINGS = ("ratings", "vocabulary")
_FEATURES = (*_RATINGS, "item_multimodal", "review_features")

RATING_SYSTEMS: dict[str, tuple[str, ...]] = {
    "global_mean": _RATINGS,
    "user_mean": _RATINGS,
    "item_mean": _RATINGS,
    "biases": _RATINGS,
    "biased_mf": _RATINGS,
    "cmf": _RATINGS,
    "emcdr": _RATINGS,
    "sscdr_ratings": _RATINGS,
    "ptupcdr": _RATINGS,
    "diffcdr": _RATINGS,
    "ridge": _FEATURES,
    "music": _FEATURES,
    "music_blind": _FEATURES,
}
"""Every system, and the artifacts that it is trained from; the last two are of domains."""

FEATURE_SYSTEMS = tuple(name for name, inputs in RATING_SYSTEMS.items() if inputs == _FEATURES)
"""Those that read frozen features: both domains must name an item_model and a user_model."""

RATING_FITTED = (
    "biased_mf",
    "cmf",
    "emcdr",
    "sscdr_ratings",
    "ptupcdr",
    "diffcdr",
    "music",
    "music_blind",
)
"""Those that are trained in epochs; the others count or solve."""

DEFAULT_RATING_SYSTEMS = tuple(name for name in RATING_SYSTEMS if name not in FEATURE_SYSTEMS)
"""What a scenario compares unless it names its own: those that need no frozen model."""

RATING_OURS = ("music", "music_blind")
"""The system that this project stands for, and its ablation; all others are there to be beaten."""

RATING_EXPERIMENTS: dict[str, str] = {
    "music_ablations": "music",
    "music_controls": "music",
    "music_features": "music",
    "music_steps": "music",
}
"""Every experiment, and the system whose run it varies. None may be named as a system is."""

FEATURE_EXPERIMENTS = ("music_features",)
"""Those that also read the tables of a scenario's `feature_sources`."""
