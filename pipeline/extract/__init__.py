"""Texts become vectors and generated titles, each paid for once."""

VERSION = "2"
"""Raise it when this stage writes something else for the same inputs and parameters."""
