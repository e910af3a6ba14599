"""Weights become ranks, a leaderboard, a report and recommendations."""

VERSION = "1"
"""Raise it when this stage writes something else for the same inputs and parameters."""
