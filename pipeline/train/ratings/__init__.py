"""Train rating systems: cases, stages, weights, by cold ratio and seed."""

VERSION = "2"
"""Raise it when the same inputs and parameters would train other weights."""
