"""Generated titles are grounded in real items by nearest-neighbour search."""

VERSION = "1"
"""Raise it when this stage writes something else for the same inputs and parameters."""
