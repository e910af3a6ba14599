"""Weights become ranks, a leaderboard, a report and recommendations."""

VERSION = "2"
"""Raise it when this stage writes something else for the same inputs and parameters."""
