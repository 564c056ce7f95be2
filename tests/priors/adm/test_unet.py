"""The ADM network against published counts and a plain implementation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from made_networks import RICH, TINY, draw, on_meta, randomised
from plain_unet import plain_attention, plain_unet
from torch import Tensor

from invbench import DataError
from invbench.priors.adm.sources import AdmFfhq256, AdmImagenet256, AdmPhotos
from invbench.priors.adm.unet import AttentionBlock, GroupNorm, UNet, UNetConfig, timestep_embedding


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
    block = AttentionBlock(64, head, 32)
    with torch.no_grad():
        for name, p in block.named_parameters():
            p.copy_(draw(*p.shape, use=name) / 4)
        x = draw(2, 64, 4, 6)
        expected = plain_attention({f"a.{k}": v for k, v in block.state_dict().items()}, "a", x, head, 32)
        torch.testing.assert_close(block(x, x), expected, rtol=1e-5, atol=1e-5)


def test_group_norm_is_that_of_torch_with_scale_and_shift_after_it() -> None:
    norm, x, scale, shift = GroupNorm(64, 32), draw(3, 64, 4, 6) + 2, draw(3, 64, use="scale"), draw(3, 64, use="shift")
    with torch.no_grad():
        norm.weight.copy_(draw(64, use="w"))
        norm.bias.copy_(draw(64, use="b"))
        expected = F.group_norm(x, 32, norm.weight, norm.bias, 1e-5)
        torch.testing.assert_close(norm(x), expected, rtol=1e-5, atol=1e-5)
        scaled = expected * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
        torch.testing.assert_close(norm(x, scale, shift), scaled, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("side", [16, 33])
@pytest.mark.parametrize("silu", [True, False])
def test_a_row_of_a_group_norm_does_not_depend_on_its_batch(threads: int, side: int, silu: bool) -> None:
    """To the last bit, with any number of threads, for images on either side of the size where torch sums otherwise."""
    norm, x = GroupNorm(64, 8), draw(5, 64, side, side).contiguous(memory_format=torch.channels_last)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            whole = norm(x, silu=silu)
            parts = torch.cat([norm(x[:1], silu=silu), norm(x[1:3], silu=silu), norm(x[3:], silu=silu)])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(whole, parts)
    reference = F.group_norm(x.double(), 8, norm.weight.double(), norm.bias.double(), 1e-5)
    torch.testing.assert_close(whole.double(), F.silu(reference) if silu else reference, rtol=0, atol=1e-5)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_gradients_of_group_norm_are_those_of_torch(frozen: bool) -> None:
    norm, weight = GroupNorm(64, 32).requires_grad_(not frozen), draw(3, 64, 4, 6, use="weight")
    inputs = [draw(3, 64, 4, 6) + 2, draw(1, 64, use="scale"), draw(1, 64, use="shift")]

    def gradients(f: Callable[[Tensor, Tensor, Tensor], Tensor]) -> tuple[Tensor, ...]:
        x, scale, shift = leaves = [each.clone().requires_grad_() for each in inputs]
        differentiated = leaves if frozen else [*leaves, *norm.parameters()]
        return torch.autograd.grad((f(x, scale, shift) * weight).sum(), differentiated)

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


def test_groups_are_those_of_the_metadata_and_32_in_that_of_former_trainings() -> None:
    net, x, t = randomised(AdmPhotos.config()), draw(1, 3, 8, 8), torch.tensor([500])
    outputs = {}
    for groups in (8, 16, 32):
        net.adopt({"groups": groups})
        assert net.metadata == {"groups": groups}
        outputs[groups] = net(x, t)
        expected = plain_unet(net.state_dict(), replace(net.config, groups=groups), x, t)
        torch.testing.assert_close(outputs[groups], expected, rtol=1e-4, atol=1e-4)
    net.adopt({"solver": {"name": "davi"}})
    torch.testing.assert_close(net(x, t), outputs[32], rtol=0, atol=0)
    net.adopt({"groups": 8})
    net.adopt({})
    torch.testing.assert_close(net(x, t), outputs[8], rtol=0, atol=0)


@pytest.mark.parametrize("groups", [0, 7, -8, 8.0, "8", True, None])
def test_groups_that_divide_no_channels_are_refused(groups: object) -> None:
    with pytest.raises(DataError, match="expected groups that divide the network's channels; got"):
        randomised(TINY).adopt({"groups": groups})


def test_with_a_group_per_channel_the_mean_colour_is_lost() -> None:
    """The cause of the former prior's fault: a constant added to all of an image changes nothing behind the norm."""
    x = draw(2, 32, 8, 8)
    for groups, lost in ((32, True), (8, False)):
        norm = GroupNorm(32, groups)
        moved = norm(x + torch.linspace(-1, 1, 32)[None, :, None, None])
        assert torch.allclose(moved, norm(x), atol=1e-5) == lost
