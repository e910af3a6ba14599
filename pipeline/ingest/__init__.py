"""Raw dumps in any dialect become typed tables of reviews and items."""

VERSION = "2"
"""Raise it when this stage writes something else for the same inputs and parameters."""
