"""Named sets of variants of one system's run: its ablations and its sweeps.

One more experiment is a function in a module of this package, an entry of the table at its end,
and a line of EXPERIMENTS in pipeline/catalog/systems.py.
"""

VERSION = "1"
"""Raise it when an experiment gets another variant: those that are trained are kept."""
