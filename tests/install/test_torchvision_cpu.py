"""The build of torchvision that is installed can be imported, whichever build of torch is."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

INSTALL = Path(__file__).resolve().parents[2] / "install"

RESIZE = """
import torchvision_cpu
import torch
from torchvision.transforms.v2.functional import resize
print(tuple(resize(torch.ones(3, 8, 8), [4, 2]).shape))
"""


def test_images_are_resized_beside_the_cpu_build_of_torch() -> None:
    pytest.importorskip("torchvision")
    # -S: the copy that `make` has installed would otherwise come first.
    paths = [str(INSTALL), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    run = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += {paths}\n{RESIZE}"],
        capture_output=True,
        text=True,
    )
    assert run.stdout == "(3, 4, 2)\n", run.stderr
