"""Texts become vectors and generated titles, each paid for once."""

VERSION = "1"
"""Raise it when this stage writes something else for the same inputs and parameters."""
