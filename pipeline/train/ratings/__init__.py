"""Train rating systems: cases, stages, weights, by cold ratio and seed."""

VERSION = "2"
"""Raise it when the same inputs and parameters would train other weights."""

PRESETS = "1"
"""Raise it when a preset changes: its assets become stale, and of the weights below them those
whose run is still the same are kept."""
