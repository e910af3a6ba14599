"""The systems that a scenario may train and compare, and what each is trained from."""

_SEQUENCES = ("sequences", "vocabulary")
_SELECTED = (*_SEQUENCES, "candidates")  # selected on validation users
_TEXT = (*_SELECTED, "item_text")
_TRANSFER = (*_TEXT, "pseudo_interactions", "encoders")

ENCODER_INPUTS = (*_SEQUENCES, "item_text")
"""What LGCD's stage 1 is trained from."""

SYSTEMS: dict[str, tuple[str, ...]] = {
    "popularity": _SEQUENCES,
    "recent_popularity": _SEQUENCES,
    "cooccurrence": _SEQUENCES,
    "sasrec": _SELECTED,
    "lgcd": _TRANSFER,
    "lgcd_blind": _TRANSFER,
}
"""Every system, and the artifacts that it is trained from."""

DEFAULT_SYSTEMS = (
    "popularity",
    "recent_popularity",
    "cooccurrence",
    "sasrec",
    "lgcd",
    "lgcd_blind",
)
"""What a scenario compares unless it names its own."""

OURS = ("lgcd", "lgcd_blind")
"""Systems that this project stands for, and their ablations; all others are there to be beaten."""
