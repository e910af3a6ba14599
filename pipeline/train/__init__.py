"""Prepared tensors become weights. Needs torch, numpy, pyarrow and safetensors alone."""

VERSION = "1"
"""Raise it when this stage writes something else for the same inputs and parameters."""

_SEQUENCES = ("sequences", "vocabulary")
_TRANSFER = (*_SEQUENCES, "candidates", "item_text", "pseudo_interactions", "encoders")

ENCODER_INPUTS = (*_SEQUENCES, "item_text")
"""What LGCD's stage 1 is trained from."""

SYSTEMS = {
    "popularity": _SEQUENCES,
    "recent_popularity": _SEQUENCES,
    "cooccurrence": _SEQUENCES,
    "sasrec": (*_SEQUENCES, "candidates"),
    "lgcd": _TRANSFER,
    "lgcd_blind": _TRANSFER,
}
"""Every system, and the artifacts that it is trained from."""
