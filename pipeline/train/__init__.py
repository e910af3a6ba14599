"""Prepared tensors become weights. Needs torch, numpy, pyarrow and safetensors alone."""

VERSION = "1"
"""Raise it when this stage writes something else for the same inputs and parameters.

Presets are versioned by themselves: see preset_version.py."""
