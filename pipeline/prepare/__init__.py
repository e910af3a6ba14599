"""Reviews become interactions, sequences, splits and evaluation candidates."""

VERSION = "1"
"""Raise it when this stage writes something else for the same inputs and parameters."""
