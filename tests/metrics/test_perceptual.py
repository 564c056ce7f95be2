"""HaarPSI against piq, LPIPS against the package and piq, on generated weights of torchvision's layout."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import lpips
import numpy as np
import piq
import pytest
import torch
import torchvision
from made_images import measurement, pair
from PIL import Image
from torch import Tensor

from invbench import DataError, Metric
from invbench.artifacts import fetch
from invbench.metrics import perceptual
from invbench.metrics.perceptual import HaarPSI, LPIPSAlex, LPIPSDavi, LPIPSSqueeze, LPIPSVgg, haarpsi
from invbench.metrics.trunks import ARTIFACTS, trunk_state

MODELS = {"vgg": "vgg16", "squeeze": "squeezenet1_1"}  # whose weights are fetched


@pytest.mark.parametrize("shape", [(3, 32, 40), (1, 32, 32), (3, 33, 47)])
def test_haarpsi_is_that_of_piq(shape: tuple[int, ...]) -> None:
    x_hat, x = pair(shape)
    a, b = (((z.double().clamp(-1, 1) + 1) / 2) for z in (x_hat, x))
    expected = piq.haarpsi(a, b, reduction="none", data_range=1.0)
    torch.testing.assert_close(haarpsi(255 * a, 255 * b), expected, rtol=1e-6, atol=1e-8)


def test_haarpsi_of_the_truth_is_one_also_where_it_is_flat() -> None:
    x = torch.zeros(2, 3, 32, 32)
    x[1] = pair((3, 32, 32))[1][1]
    torch.testing.assert_close(HaarPSI()(x, measurement(x)), torch.ones(2, dtype=torch.float64))


def test_small_images_have_no_haarpsi() -> None:
    assert "at least 16" in (HaarPSI().unavailable(measurement(pair((3, 12, 30))[1])) or "")


class Small(torch.nn.Linear):
    """Of one number, whatever is asked for."""

    def __init__(self, *_sizes: int, **_options: object) -> None:
        super().__init__(1, 1)


@pytest.fixture(autouse=True, scope="module")
def _no_classifiers() -> Iterator[None]:
    """Only the trunk of a network is used: its fully connected layers, a hundred million numbers, are not drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn, "Linear", Small)
        yield


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random trunks in torchvision's layout."""
    folder = tmp_path_factory.mktemp("trunks")
    for name, artifact in ARTIFACTS.items():
        torch.manual_seed(1)
        network = getattr(torchvision.models, MODELS[name])(weights=None)
        state = {k: v for k, v in network.state_dict().items() if k.startswith("features")}
        torch.save(state, folder / artifact.filename)
    return folder


@pytest.fixture
def trunks(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of these trunks, read without their hashes."""
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path / "cache"))
    for artifact in ARTIFACTS.values():
        object.__setattr__(artifact, "sha256", "")
        shutil.copy(drawn / artifact.filename, tmp_path)
    perceptual.lpips_network.cache_clear()
    yield tmp_path
    perceptual.lpips_network.cache_clear()
    for artifact in ARTIFACTS.values():
        object.__setattr__(artifact, "sha256", artifact.filename.rpartition("-")[2].removesuffix(".pth"))


def reference(name: str, folder: Path) -> lpips.LPIPS:
    network = lpips.LPIPS(net=name, pnet_rand=True, verbose=False)
    shipped = name not in ARTIFACTS
    state = trunk_state(name)[0] if shipped else torch.load(folder / ARTIFACTS[name].filename, weights_only=True)
    for slice_ in (m for key, m in network.net.named_children() if key.startswith("slice")):
        for index, layer in slice_.named_children():
            own = {
                k.removeprefix(f"features.{index}."): v for k, v in state.items() if k.startswith(f"features.{index}.")
            }
            layer.load_state_dict(own)
    return network.eval()


@pytest.mark.parametrize("metric", [LPIPSAlex, LPIPSVgg, LPIPSSqueeze])
def test_lpips_is_that_of_the_package(metric: type[perceptual.LPIPS], trunks: Path) -> None:
    x_hat, x = pair((3, 64, 64))
    with torch.inference_mode():
        expected = reference(metric.trunk, trunks)(x_hat.clamp(-1, 1), x).flatten().double()
    torch.testing.assert_close(metric()(x_hat, measurement(x)), expected)
    assert metric()(x, measurement(x)).abs().max() < 1e-6


def test_the_official_call_has_neither_scaling_nor_more_than_eight_bits(trunks: Path) -> None:
    x_hat, x = pair((3, 64, 64))
    truncated = torch.floor(255 * (x_hat.clamp(-1, 1) + 1) / 2) / 255 * 2 - 1
    ours = LPIPSDavi()(x_hat, measurement(x))
    torch.testing.assert_close(ours, unscaled(truncated, x, trunks))
    assert (ours - LPIPSVgg()(x_hat, measurement(x))).abs().max() > 1e-3


def unscaled(x_hat: Tensor, x: Tensor, folder: Path) -> Tensor:
    """LPIPS from its definition: unit features of five layers, squared differences, linear layers, means."""
    features = torchvision.models.vgg16(weights=None).features
    state = torch.load(folder / ARTIFACTS["vgg"].filename, weights_only=True)
    features.load_state_dict({k.removeprefix("features."): v for k, v in state.items()})
    linear = torch.load(Path(lpips.__file__).parent / "weights/v0.1/vgg.pth", weights_only=True, map_location="cpu")
    total, a, b = torch.zeros(len(x)), x_hat, x
    with torch.inference_mode():
        for i, layer in enumerate(features):
            a, b = layer(a.clone()), layer(b.clone())
            if i in (ends := [3, 8, 15, 22, 29]):
                apart = (a / a.norm(dim=1, keepdim=True) - b / b.norm(dim=1, keepdim=True)).square()
                total += (apart * linear[f"lin{ends.index(i)}.model.1.weight"]).sum(1).mean((1, 2))
    return total.double()


def test_absent_weights_are_reported_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    perceptual.lpips_network.cache_clear()
    _, x = pair((3, 64, 64))
    assert "invbench fetch lpips_vgg" in (LPIPSVgg().unavailable(measurement(x)) or "")


def test_a_file_of_another_network_is_refused(trunks: Path) -> None:
    (trunks / ARTIFACTS["vgg"].filename).write_bytes((trunks / ARTIFACTS["squeeze"].filename).read_bytes())
    _, x = pair((3, 64, 64))
    with pytest.raises(DataError, match="not torchvision's vgg"):
        LPIPSVgg()(x, measurement(x))


def test_a_file_of_another_hash_is_refused(trunks: Path) -> None:
    object.__setattr__(ARTIFACTS["vgg"], "sha256", "397923af")
    _, x = pair((3, 64, 64))
    assert "expected SHA-256 397923af" in (LPIPSVgg().unavailable(measurement(x)) or "")


def picture(name: str) -> Tensor:
    """One of the LPIPS authors' three pictures, (1, 3, 64, 64) in [-1, 1]."""
    with Image.open(Path(__file__).parent / "pictures" / f"{name}.png") as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None].float() / 127.5 - 1


def distances(metric: Metric) -> list[float]:
    """Of the two distorted pictures to the reference."""
    return [metric(picture(name), measurement(picture("ex_ref"))).item() for name in ("ex_p0", "ex_p1")]


def test_the_published_distances_come_out() -> None:
    """The read-me of the authors' package: 0.722 and 0.138."""
    assert distances(LPIPSAlex()) == pytest.approx([0.722, 0.138], abs=5e-4)


@pytest.mark.long
def test_the_fetched_trunk_gives_the_distances_measured_with_torchvisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into a cache of its own: other tests run beside it, and would find one more metric."""
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path))
    try:
        fetch(ARTIFACTS["vgg"])
    except DataError as error:
        pytest.skip(f"neither file can be had here: {error}")
    perceptual.lpips_network.cache_clear()
    assert distances(LPIPSVgg()) == pytest.approx([0.56861, 0.42166], abs=5e-5)
    perceptual.lpips_network.cache_clear()
