"""Train rating systems: cases, stages, weights, by cold ratio and seed."""

VERSION = "1"
"""Raise it when the same inputs and parameters would train other weights."""
