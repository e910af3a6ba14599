"""Prepared tensors become weights. Needs torch, numpy, pyarrow and safetensors alone."""

VERSION = "1"
"""Raise it when this stage writes something else for the same inputs and parameters."""

PRESETS = "2"
"""Raise it when a preset changes: its assets become stale, and of the weights below them those
whose run is still the same are kept."""
