"""Experiment tracking: a copy of what is stored, for people who compare runs in MLflow."""

VERSION = "1"
"""Raise when a run is recorded otherwise, so that runs are recorded again."""
