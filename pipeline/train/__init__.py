"""Prepared tensors become weights. Needs torch, numpy, pyarrow and safetensors alone."""
