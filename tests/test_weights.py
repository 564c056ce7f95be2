"""Weight files: read, damaged, dangerous, of another network, of a solver, with integers; and their metadata."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from made_networks import TINY, draw, on_meta, small
from safetensors.torch import load_file, save_file
from torch import Tensor

from invbench import DataError
from invbench.priors.adm.sources import AdmPhotos
from invbench.weights import load_strict, read_card, read_state_dict

SHIPPED = Path(str(files("invbench.priors.adm"))) / "weights" / "adm_photos.safetensors"


def loaded(path: Path) -> None:
    AdmPhotos(weights=str(path)).load((3, 64, 64), "cpu")


def test_weights_of_a_solver_are_no_prior(tmp_path: Path) -> None:
    path = tmp_path / "davi.safetensors"
    save_file(load_file(SHIPPED), path, {"card": '{"solver": {"name": "davi"}}'})
    with pytest.raises(DataError, match=r"holds weights of solver davi, not a prior's; name it as solver\.weights"):
        loaded(path)


def test_metadata_of_a_prior_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "prior.safetensors"
    save_file(load_file(SHIPPED), path, {"card": '{"prior": {"name": "adm_photos"}}'})
    loaded(path)


def test_integers_are_not_weights(tmp_path: Path) -> None:
    path = tmp_path / "whole.safetensors"
    save_file({key: value.to(torch.int32) for key, value in load_file(SHIPPED).items()}, path)
    with pytest.raises(DataError, match="expected floating point numbers, got int32 in "):
        loaded(path)


@pytest.mark.parametrize("card", ["[" * 50_000, "[1]", "{", "1"])
def test_invalid_metadata_is_reported(tmp_path: Path, card: str) -> None:
    path = tmp_path / "card.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"card": card})
    with pytest.raises(DataError, match=r"the metadata in .* is damaged"):
        read_card(path)


def test_damaged_metadata_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"card": "{"})
    with pytest.raises(DataError, match="the metadata in .* is damaged; train or fetch it again"):
        read_card(path)


def shipped() -> dict[str, Tensor]:
    return read_state_dict(AdmPhotos()._path())


@pytest.mark.parametrize("zipped", [True, False])
def test_both_formats_give_the_same_tensors(tmp_path: Path, zipped: bool) -> None:
    state = shipped()
    torch.save(state, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    save_file(state, tmp_path / "w.safetensors")
    for path in tmp_path.iterdir():
        read = read_state_dict(path)
        assert read.keys() == state.keys()
        assert all(torch.equal(read[k], state[k]) for k in state)
    x = draw(1, 3, 16, 32)
    with torch.inference_mode():
        a, b = small(weights=str(tmp_path / "w.pt")).eps(x, 9), small().eps(x, 9)
    # Mapped safetensors are not aligned to 64 bytes as those of torch are, and kernels round accordingly.
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


class Payload:
    """Unpickling this creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path: Path, zipped: bool) -> None:
    path, marker = tmp_path / "w.pt", tmp_path / "marker"
    torch.save({"a": torch.zeros(2), "b": Payload(marker)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match=r"w\.pt is refused: it holds more than tensors"):
        read_state_dict(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # the payload would have worked


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("w.pt", None, "no checkpoint at .*w.pt"),
        ("w.safetensors", None, "no checkpoint at .*w.safetensors"),
        ("w.pt", lambda data: b"", "w.pt is empty"),
        ("w.safetensors", lambda data: b"", "w.safetensors is empty"),
        ("w.pt", cut, "w.pt (cannot be read; it may be truncated|is refused: .*or is damaged)"),
        ("w.safetensors", cut, "w.safetensors cannot be read; it may be truncated"),
        ("w.pt", lambda data: b"<html>not found</html>", "w.pt (cannot be read|is refused: .*or is damaged)"),
        ("w.safetensors", lambda data: b"<html>not found</html>", "w.safetensors cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_refused(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes] | None, message: str
) -> None:
    state, path = {"a": torch.arange(1000.0)}, tmp_path / name
    if damage:
        save_file(state, path) if name.endswith("safetensors") else torch.save(state, path)
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        read_state_dict(path)


@pytest.mark.parametrize("content", [{"state_dict": {"a": torch.zeros(2)}}, [torch.zeros(2)], {"a": 1}])
def test_a_checkpoint_is_a_flat_dict_of_tensors(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(DataError, match="expected a flat dict of tensors"):
        read_state_dict(tmp_path / "w.pt")


def test_tensors_that_do_not_fit_are_all_named(tmp_path: Path) -> None:
    state = shipped()
    del state["out.2.bias"]
    state["extra.weight"] = torch.zeros(3)
    state["out.2.weight"] = torch.zeros(6, 32, 1, 1)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(DataError) as caught:
        small(weights=str(tmp_path / "w.safetensors"))
    message = str(caught.value)
    assert "w.safetensors does not fit the network" in message
    assert "1 missing: out.2.bias" in message
    assert "1 unexpected: extra.weight" in message
    assert "1 of another shape: out.2.weight (expected (6, 32, 3, 3), got (6, 32, 1, 1))" in message


def test_a_long_list_of_faults_is_cut_short() -> None:
    with pytest.raises(DataError, match=r"180 missing: (\S+, ){6}\.\.\.$"):
        load_strict(on_meta(AdmPhotos.config()), {}, "nothing")


def test_a_checkpoint_of_another_network_is_refused() -> None:
    with pytest.raises(DataError, match="does not fit the network"):
        load_strict(on_meta(TINY), shipped(), "photos")
