"""What runs must not share: dagster.yaml lets one run at a time use each of these.

That matters to who raises `max_concurrent_runs`; a run counts with all pools of its assets.
"""

GPU = "gpu"
"""Extraction, training and scoring: on a machine without a GPU they want all its cores."""

MEMORY = "memory"
"""What reads whole dumps, or all interactions at once."""
