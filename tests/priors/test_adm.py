"""The ADM network against published counts and a plain implementation; its weight files; the shipped prior."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from invbench import ConfigError, DataError, Prior, Rng, UnsupportedProblem
from invbench.cli.main import main
from invbench.metrics.distortion import psnr
from invbench.plugins import load_catalog
from invbench.priors.adm.cost import count
from invbench.priors.adm.sources import AdmFfhq256, AdmImagenet256, AdmPhotos
from invbench.priors.adm.unet import AttentionBlock, GroupNorm, UNet, UNetConfig, timestep_embedding
from invbench.weights import load_strict, read_state_dict

SOURCES = (AdmFfhq256, AdmImagenet256, AdmPhotos)
TINY = UNetConfig(channels=32, channel_mult=(1, 2), num_res_blocks=1, attention_factors=(2,), head_channels=16)
RICH = UNetConfig(channels=32, channel_mult=(1, 2, 2), num_res_blocks=2, attention_factors=(1, 4), head_channels=32)


def draw(*shape: int, use: str = "x") -> Tensor:
    return Rng.single(use=use).randn(shape)[0]


def on_meta(config: UNetConfig) -> UNet:
    with torch.device("meta"):
        return UNet(config)


def randomised(config: UNetConfig) -> UNet:
    """No weight at its initial value: the zeros of a fresh network would hide everything behind them."""
    net = UNet(config).eval().requires_grad_(False)
    for name, p in net.named_parameters():
        gain = 1.0 if p.ndim == 1 else 1 / math.sqrt(p[0].numel())
        offset = 1.0 if p.ndim == 1 and name.endswith("weight") else 0.0
        p.copy_(offset + (0.2 if p.ndim == 1 else 1.0) * gain * draw(*p.shape, use=name))
    return net


# Counts.


@pytest.mark.parametrize(
    ("source", "tensors", "parameters"),
    [(AdmFfhq256, 362, 93_563_910), (AdmImagenet256, 566, 552_814_086), (AdmPhotos, 180, 1_321_670)],
)
def test_parameter_counts(source: Any, tensors: int, parameters: int) -> None:
    net = on_meta(source.config())
    assert len(net.state_dict()) == len(list(net.parameters())) == tensors
    assert sum(p.numel() for p in net.parameters()) == parameters


@pytest.mark.parametrize(
    ("source", "groups"),
    [
        (AdmFfhq256, [328_704, 22_968_832, 11_545_600, 58_713_600, 7_174]),
        (AdmImagenet256, [1_312_768, 163_431_424, 46_159_872, 341_895_680, 14_342]),
    ],
)
def test_parameter_counts_by_group(source: Any, groups: list[int]) -> None:
    net = on_meta(source.config())
    parts = [net.time_embed, net.input_blocks, net.middle_block, net.output_blocks, net.out]
    assert [sum(p.numel() for p in part.parameters()) for part in parts] == groups


def test_names_and_shapes_are_those_of_the_published_files() -> None:
    faces, imagenet = (on_meta(source.config()).state_dict() for source in (AdmFfhq256, AdmImagenet256))
    assert faces["input_blocks.5.0.skip_connection.weight"].shape == (256, 128, 1, 1)
    assert faces["output_blocks.0.0.in_layers.2.weight"].shape == (512, 1024, 3, 3)
    assert faces["input_blocks.1.0.emb_layers.1.weight"].shape == (256, 512)
    assert faces["input_blocks.9.1.proj_out.weight"].shape == (512, 512, 1)
    assert faces["output_blocks.3.2.out_layers.3.weight"].shape == (512, 512, 3, 3)  # resampling follows attention
    assert faces["output_blocks.1.1.out_layers.0.weight"].shape == (512,)  # or the block itself
    assert faces["middle_block.1.qkv.weight"].shape == (1536, 512, 1)
    assert faces["out.2.weight"].shape == (6, 128, 3, 3)
    assert imagenet["input_blocks.13.1.qkv.weight"].shape == (3072, 1024, 1)
    order = list(dict.fromkeys(name.split(".")[0] for name in faces))
    assert order == ["time_embed", "input_blocks", "middle_block", "output_blocks", "out"]


def test_cost_of_the_published_networks() -> None:
    faces, imagenet = count(AdmFfhq256.config(), 256), count(AdmImagenet256.config(), 256)
    assert faces.macs == 193_967_095_808
    assert faces.fvcore - faces.macs == 5 * 138_575_872 + 28_573_696, "of norms and of upsampling"
    assert faces.fvcore == 194_688_548_864
    assert imagenet.fvcore == 1_121_891_057_664
    assert faces.parameters == 93_563_910
    lines = CliRunner().invoke(main, ["info", "adm_ffhq256"], catch_exceptions=False).output
    assert all(text in lines for text in ("93,563,910", "193.967 GMAC", "194.689 G", "387.934 GFLOP"))


@pytest.mark.parametrize("config", [TINY, RICH])
def test_cost_agrees_with_the_counter_of_torch(config: UNetConfig) -> None:
    """The fused attention of a CPU is not counted there; its plain form is, as two matrix products."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        UNet(config)(torch.zeros(1, 3, 16, 16), torch.zeros(1))
    assert counter.get_total_flops() == 2 * count(config, 16).macs


# Arithmetic.


def test_time_embedding() -> None:
    zero = timestep_embedding(torch.tensor([0]), 8)
    assert zero.tolist() == [[1, 1, 1, 1, 0, 0, 0, 0]]
    freqs = np.exp(-math.log(10_000) * np.arange(4) / 4)
    expected = np.concatenate([np.cos(37 * freqs), np.sin(37 * freqs)])
    np.testing.assert_allclose(timestep_embedding(torch.tensor([37]), 8)[0], expected, atol=1e-5)  # float32 angles
    odd = timestep_embedding(torch.tensor([37]), 9)[0]
    np.testing.assert_allclose(odd, [*expected, 0], atol=1e-5)


@pytest.mark.parametrize("config", [TINY, RICH])
def test_a_fresh_network_predicts_zero(config: UNetConfig) -> None:
    out = UNet(config)(draw(2, 3, 8, 8), torch.tensor([5, 900]))
    assert out.shape == (2, 6, 8, 8)
    assert out.abs().max() == 0


def plain_norm(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    groups = x.reshape(len(x), 32, -1)
    mean, var = groups.mean(2, keepdim=True), groups.var(2, unbiased=False, keepdim=True)
    normal = ((groups - mean) / (var + 1e-5).sqrt()).reshape(x.shape)
    return normal * state[f"{key}.weight"][:, None, None] + state[f"{key}.bias"][:, None, None]


def plain_conv(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    weight = state[f"{key}.weight"]
    return F.conv2d(x.contiguous(), weight, state[f"{key}.bias"], padding=weight.shape[-1] // 2)


def plain_linear(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    return x @ state[f"{key}.weight"].T + state[f"{key}.bias"]


def swish(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def plain_attention(state: dict[str, Tensor], key: str, x: Tensor, head: int) -> Tensor:
    """The channels of qkv are [q, k, v] of head 0, then [q, k, v] of head 1, and so on."""
    B, C, H, W = x.shape
    flat = plain_norm(state, f"{key}.norm", x).flatten(2)
    qkv = torch.einsum("oc,bct->bot", state[f"{key}.qkv.weight"][:, :, 0], flat) + state[f"{key}.qkv.bias"][:, None]
    heads = []
    for start in range(0, 3 * C, 3 * head):
        q, k, v = (qkv[:, start + i * head : start + (i + 1) * head] for i in range(3))
        weights = torch.einsum("bct,bcs->bts", q, k).div(math.sqrt(head)).softmax(2)
        heads.append(torch.einsum("bts,bcs->bct", weights, v))
    weight, bias = state[f"{key}.proj_out.weight"][:, :, 0], state[f"{key}.proj_out.bias"]
    out = torch.einsum("oc,bct->bot", weight, torch.cat(heads, 1)) + bias[:, None]
    return x + out.reshape(B, C, H, W)


def plain_res(state: dict[str, Tensor], key: str, x: Tensor, emb: Tensor, how: str = "") -> Tensor:
    def resample(z: Tensor) -> Tensor:
        if how == "up":
            return z.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return z.reshape(*z.shape[:2], z.shape[2] // 2, 2, -1, 2).mean((3, 5)) if how == "down" else z

    h = plain_conv(state, f"{key}.in_layers.2", resample(swish(plain_norm(state, f"{key}.in_layers.0", x))))
    scale, shift = plain_linear(state, f"{key}.emb_layers.1", swish(emb))[:, :, None, None].chunk(2, 1)
    h = swish(plain_norm(state, f"{key}.out_layers.0", h) * (1 + scale) + shift)
    skip = plain_conv(state, f"{key}.skip_connection", x) if f"{key}.skip_connection.weight" in state else x
    return resample(skip) + plain_conv(state, f"{key}.out_layers.3", h)


def plain_unet(state: dict[str, Tensor], config: UNetConfig, x: Tensor, t: Tensor) -> Tensor:
    """The network as its definition reads, from the tensors of a checkpoint."""
    half = config.channels // 2
    angles = t.float()[:, None] * torch.exp(-math.log(10_000) * torch.arange(half) / half)
    emb = plain_linear(state, "time_embed.0", torch.cat([angles.cos(), angles.sin()], 1))
    emb = plain_linear(state, "time_embed.2", swish(emb))

    def stage(key: str, x: Tensor, how: str = "") -> Tensor:
        """``how`` is the direction of resampling in this stage's last block, if it is one that resamples."""
        count = len({name.split(".")[2] for name in state if name.startswith(f"{key}.")})
        for i in range(count):
            block = f"{key}.{i}"
            if f"{block}.qkv.weight" in state:
                x = plain_attention(state, block, x, config.head_channels)
            else:
                x = plain_res(state, block, x, emb, how if i == count - 1 else "")
        return x

    per_level, levels = config.num_res_blocks + 1, len(config.channel_mult)
    x = plain_conv(state, "input_blocks.0.0", x)
    skips = [x]
    for i in range(1, levels * per_level):
        x = stage(f"input_blocks.{i}", x, "down" if i % per_level == 0 else "")
        skips.append(x)
    x = plain_res(state, "middle_block.0", x, emb)
    x = plain_attention(state, "middle_block.1", x, config.head_channels)
    x = plain_res(state, "middle_block.2", x, emb)
    for i in range(levels * per_level):
        last_of_level = i % per_level == per_level - 1 and i < (levels - 1) * per_level
        x = stage(f"output_blocks.{i}", torch.cat([x, skips.pop()], 1), "up" if last_of_level else "")
    return plain_conv(state, "out.2", swish(plain_norm(state, "out.0", x)))


@pytest.mark.parametrize("config", [TINY, RICH, AdmPhotos.config()], ids=["tiny", "rich", "photos"])
def test_the_network_is_its_definition(config: UNetConfig) -> None:
    """To 1e-4: float32 rounds to 6e-8, and a processor's kernels differ in the order of sums of up to 1e3 terms in each
    of some twenty layers (4e-6 was seen); what is another function differs by a hundredth or more.
    """
    net, x, t = randomised(config), draw(2, 3, 8, 16), torch.tensor([3, 870])
    expected = plain_unet(net.state_dict(), config, x, t)
    assert 0.1 < expected.std() < 10
    torch.testing.assert_close(net(x, t), expected, rtol=1e-4, atol=1e-4)
    last = net.to(memory_format=torch.channels_last)
    out = last(x.contiguous(memory_format=torch.channels_last), t)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("head", [8, 16, 64])
def test_attention_has_the_legacy_layout(head: int) -> None:
    block = AttentionBlock(64, head)
    with torch.no_grad():
        for name, p in block.named_parameters():
            p.copy_(draw(*p.shape, use=name) / 4)
        x = draw(2, 64, 4, 6)
        expected = plain_attention({f"a.{k}": v for k, v in block.state_dict().items()}, "a", x, head)
        torch.testing.assert_close(block(x, x), expected, rtol=1e-5, atol=1e-5)


def test_group_norm_is_that_of_torch_with_scale_and_shift_after_it() -> None:
    norm, x, scale, shift = GroupNorm(64), draw(3, 64, 4, 6) + 2, draw(3, 64, use="scale"), draw(3, 64, use="shift")
    with torch.no_grad():
        norm.weight.copy_(draw(64, use="w"))
        norm.bias.copy_(draw(64, use="b"))
        expected = F.group_norm(x, 32, norm.weight, norm.bias, 1e-5)
        torch.testing.assert_close(norm(x), expected, rtol=1e-5, atol=1e-5)
        scaled = expected * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
        torch.testing.assert_close(norm(x, scale, shift), scaled, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_gradients_of_group_norm_are_those_of_torch(frozen: bool) -> None:
    norm, weight = GroupNorm(64).requires_grad_(not frozen), draw(3, 64, 4, 6, use="weight")
    inputs = [draw(3, 64, 4, 6) + 2, draw(1, 64, use="scale"), draw(1, 64, use="shift")]

    def gradients(f: Callable[[Tensor, Tensor, Tensor], Tensor]) -> tuple[Tensor, ...]:
        x, scale, shift = leaves = [each.clone().requires_grad_() for each in inputs]
        wanted = leaves if frozen else [*leaves, *norm.parameters()]
        return torch.autograd.grad((f(x, scale, shift) * weight).sum(), wanted)

    def by_torch(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        plain = F.group_norm(x, 32, norm.weight, norm.bias, 1e-5)
        return plain * (1 + scale[..., None, None]) + shift[..., None, None]

    for ours, theirs in zip(gradients(norm), gradients(by_torch), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_gradients_with_respect_to_the_image_are_right() -> None:
    """Activations that reuse memory must not do so while a gradient is recorded."""
    net, x, t = randomised(TINY), draw(1, 3, 4, 4), torch.tensor([300])
    grads = []
    for f in (net, lambda x, t: plain_unet(net.state_dict(), TINY, x, t)):
        leaf = x.clone().requires_grad_()
        grads.append(torch.autograd.grad(f(leaf, t).square().sum(), leaf)[0])
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-4 * grads[1].abs().max().item())


# The shipped prior.


@pytest.fixture(scope="module")
def photos() -> Prior:
    return AdmPhotos().load((3, 64, 64), "cpu")


@pytest.fixture(scope="module")
def crops() -> Tensor:
    dataset = load_catalog().get("dataset", "photos")(split="tune")
    return torch.stack([dataset.load(i) for i in dataset.ids()[:8]])


def small(weights: str = "", dtype: str = "float32") -> Prior:
    return AdmPhotos(weights=weights, dtype=dtype).load((3, 16, 32), "cpu")


@torch.inference_mode()
def test_the_shipped_prior_denoises_photographs(photos: Prior, crops: Tensor) -> None:
    """At sigma 0.2 (20.0 dB) it reached 32.9 dB; the floor leaves half a decibel."""
    sigma = (1 / photos.abar - 1).sqrt()
    t = int((sigma - 0.2).abs().argmin())
    noisy = crops + sigma[t].float() * Rng.for_images([str(i) for i in range(8)], seed=0).randn_like(crops)
    assert psnr(noisy, crops, 2.0).mean().item() == pytest.approx(20, abs=0.2)
    x0 = photos.x0(math.sqrt(photos.alpha_bar(t)) * noisy, t)
    assert psnr(x0.clamp(-1, 1), crops, 2.0).mean().item() > 32.4


@torch.inference_mode()
def test_a_shared_time_step_is_that_step_for_every_row() -> None:
    prior, x = small(), draw(3, 3, 16, 32)
    eps, v = prior.eps_and_v(x, 57)
    rows_eps, rows_v = prior.eps_and_v(x, torch.full((3,), 57))
    assert v is not None
    assert rows_v is not None
    torch.testing.assert_close(eps, rows_eps, rtol=0, atol=1e-5)
    torch.testing.assert_close(v, rows_v, rtol=0, atol=1e-5)
    mixed = prior.eps(x, torch.tensor([57, 900, 57]))
    torch.testing.assert_close(mixed[[0, 2]], eps[[0, 2]], rtol=0, atol=1e-5)
    assert (mixed[1] - eps[1]).abs().max() > 0.01


@torch.inference_mode()
def test_a_row_does_not_depend_on_its_batch() -> None:
    """But for rounding: a convolution takes other kernels for one row, and on some processors for any other number."""
    prior, x = small(), draw(16, 3, 16, 32)
    all_rows = prior.eps(x, 500)
    for size in (1, 2, 5):
        torch.testing.assert_close(prior.eps(x[:size], 500), all_rows[:size], rtol=0, atol=1e-4)


@torch.inference_mode()
def test_bfloat16_is_near_float32(crops: Tensor) -> None:
    full, half = (AdmPhotos(dtype=d).load((3, 64, 64), "cpu") for d in ("float32", "bfloat16"))
    x = crops[:2] + 0.2 * draw(2, 3, 64, 64)
    a, b = full.eps(x, 57), half.eps(x, 57)
    assert b.dtype == torch.float32
    error = ((a - b).square().mean() / a.square().mean()).sqrt().item()
    assert 1e-5 < error < 0.02  # eight bits of mantissa: 0.4 % per rounding, and it is not float32 in disguise


def test_only_convolutions_leave_single_precision() -> None:
    net = small(dtype="bfloat16").net  # type: ignore[attr-defined]
    kinds = {name: p.dtype for name, p in net.named_parameters()}
    assert kinds["input_blocks.1.0.in_layers.2.weight"] == torch.bfloat16
    assert kinds["input_blocks.1.0.in_layers.0.weight"] == torch.float32
    assert kinds["input_blocks.1.0.emb_layers.1.weight"] == torch.float32
    assert kinds["time_embed.0.weight"] == torch.float32
    assert not any(p.requires_grad for p in net.parameters())


def test_an_image_of_another_shape_is_refused() -> None:
    with pytest.raises(UnsupportedProblem, match=r"expected x_t of shape .*got \(1, 3, 8, 8\)"):
        small().eps(torch.zeros(1, 3, 8, 8), 0)


@pytest.mark.parametrize(
    ("source", "x_shape", "message"),
    [
        (AdmPhotos(), (3, 64, 62), "sides divisible by 4; got 3x64x62"),
        (AdmPhotos(), (1, 64, 64), "takes 3-channel images"),
        (
            AdmPhotos(dtype="float8"),
            (3, 64, 64),
            "dtype of the network must be one of float32, bfloat16, float16; got 'float8'",
        ),
        (AdmPhotos(dtype="float64"), (3, 64, 64), "got 'float64'"),
    ],
)
def test_what_the_network_cannot_take_is_refused(source: AdmPhotos, x_shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        source.load(x_shape, "cpu")


# Weight files.


def shipped() -> dict[str, Tensor]:
    return read_state_dict(AdmPhotos()._path())


def test_the_fingerprint_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    path.write_bytes(b"weights")
    assert AdmPhotos(weights=str(path)).fingerprint() == hashlib.sha256(b"weights").hexdigest()


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
