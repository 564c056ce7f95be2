"""A simulated second device: its tensors hold numbers, and raise an error if they are mixed with CPU tensors.

Within :func:`elsewhere`, a tensor created on, or moved to, the device that it yields holds real numbers, computed by
the CPU's kernels, but reports another device. An operation that mixes the two raises DeviceError as CUDA would, by
torch's rules: a CPU tensor without dimensions may stand for a number, CPU tensors may index, ``copy_`` and ``to`` copy,
generators draw only on their own device, and numpy takes only CPU tensors.

The device is ``meta:7``: torch supports autograd on the meta device without a driver, and the index distinguishes it
from plain ``meta``, whose tensors hold no numbers and are not changed.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, NoReturn
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

ELSEWHERE = torch.device("meta:7")
COPIES = ("copy_", "_to_copy", "_copy_from", "_foreach_copy_")  # between devices
INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put")
MAKERS = (torch.tensor, torch.as_tensor, torch.asarray)  # operations with data, which they skip on a meta device


class DeviceError(RuntimeError):
    """An operation on tensors of two devices."""


class Elsewhere(Tensor):
    """A tensor that is not on the CPU; ``numbers`` has them, on the CPU."""

    numbers: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Elsewhere:
        with torch.inference_mode(inner.is_inference()):  # a view of a tensor created before is not an inference tensor
            tensor: Elsewhere = torch.Tensor._make_wrapper_subclass(
                cls,
                inner.size(),
                strides=inner.stride(),
                storage_offset=inner.storage_offset(),
                dtype=inner.dtype,
                device=ELSEWHERE,
            )
        tensor.numbers = inner
        return tensor

    def __repr__(self, **options: Any) -> str:  # type: ignore[override]
        return f"elsewhere({self.numbers})"

    def __format__(self, spec: str) -> str:
        return self.cpu().__format__(spec)

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, **options: Any) -> NoReturn:
        raise DeviceError("numpy takes tensors of the CPU alone, and this one is elsewhere; write x.cpu().numpy()")

    __array__ = numpy  # type: ignore[assignment]

    # results of a call do not become this subclass merely because an argument is one
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if _is_composite(func):  # in inference mode, in which autograd does not decompose them
            return func.decompose(*args, **(kwargs or {}))
        return computed(func, args, kwargs or {})


class Generator(torch.Generator):
    """A generator for any device; for the simulated one, it draws the CPU's numbers for tensors on that device."""

    place: torch.device

    def __new__(cls, device: torch.device | str = "cpu") -> Generator:
        generator: Generator = super().__new__(cls, "cpu" if is_elsewhere(device) else device)  # type: ignore[call-arg]
        generator.place = torch.device(device)
        return generator

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.place


class _Dispatch(TorchDispatchMode):
    """Creates tensors on the simulated device, and moves them to it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _is_composite(func):
            with self:
                return func.decompose(*args, **(kwargs or {}))
        return computed(func, args, kwargs or {})


class _Making(TorchFunctionMode):
    """Converts data and lists to tensors on the CPU first, since torch cannot do so on a meta device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if kwargs.get("generator") is not None:
            refuse_generator(func.__name__, args, kwargs)
        if func in MAKERS and is_elsewhere(kwargs.get("device")):
            return func(*args, **{**kwargs, "device": "cpu"}).to(ELSEWHERE)
        if args and isinstance(args[0], Elsewhere):
            if func is Tensor.new_tensor:
                like, data = args
                return torch.tensor(data, **{"dtype": like.dtype, **kwargs, "device": "cpu"}).to(ELSEWHERE)
            if func in (Tensor.__getitem__, Tensor.__setitem__):
                args = (args[0], _indices(args[1]), *args[2:])
            if func is Tensor.data.__set__:  # type: ignore[attr-defined]
                args[0].numbers = args[1].numbers
        return func(*args, **kwargs)


def _indices(key: Any) -> Any:
    """A key whose lists are tensors."""
    if isinstance(key, tuple):
        return tuple(map(_indices, key))
    return torch.tensor(key) if isinstance(key, list) else key


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """Provide the simulated device in the body."""
    future, before = torch.__future__, torch.__future__.get_overwrite_module_params_on_conversion()
    future.set_overwrite_module_params_on_conversion(True)  # Module.to creates new parameters, as between devices
    try:
        generators = patch.object(torch, "Generator", Generator)
        with generators, warnings.catch_warnings(), _fused_optimizers(), _Making(), _Dispatch():
            warnings.filterwarnings("ignore", ".*copying from a non-meta parameter")  # ours hold numbers, and get them
            yield ELSEWHERE
    finally:
        future.set_overwrite_module_params_on_conversion(before)


@contextmanager
def _fused_optimizers() -> Iterator[None]:
    """Let optimizers with ``fused=True`` accept tensors of the simulated device: torch checks its name."""
    listing = "_get_fused_kernels_supported_devices"
    with ExitStack() as stack:
        optimizers = [module for name, module in sys.modules.items() if name.startswith("torch.optim.")]
        for module in [each for each in optimizers if hasattr(each, listing)]:
            known = [*getattr(module, listing)(), ELSEWHERE.type]
            stack.enter_context(patch.object(module, listing, lambda known=known: known))
        yield


@cache
def _is_composite(func: Any) -> bool:
    """Whether an operation consists of others on the CPU, as ``to`` is a copy or nothing."""
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    return has_kernel(func.name(), "CompositeImplicitAutograd") and not has_kernel(func.name(), "CPU")


def is_elsewhere(device: Any) -> bool:
    """Whether a device, or its name, is the simulated one."""
    return device is not None and torch.device(device) == ELSEWHERE


def computed(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result of an operation, on the device that CUDA would use. Raises DeviceError if it mixes devices."""
    name = func.overloadpacket.__name__
    theirs = {id(each.numbers): each for each in tensors((args, kwargs)) if isinstance(each, Elsewhere)}
    lands_there = _lands_there(name, args, kwargs, bool(theirs))
    if theirs and name not in COPIES:
        refuse_mixed(name, args, kwargs)
    out = func(*mapped(args, _numbers), **mapped(_on_cpu(kwargs), _numbers))

    def placed(tensor: Tensor) -> Tensor:
        if id(tensor) in theirs:
            return _unchanged(theirs[id(tensor)], name)
        return Elsewhere(tensor) if lands_there and tensor.device.type == "cpu" else tensor

    return mapped(out, placed)


def _on_cpu(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with the CPU in place of the simulated device."""
    return {**kwargs, **({"device": torch.device("cpu")} if kwargs.get("device") == ELSEWHERE else {})}


def _lands_there(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], theirs: bool) -> bool:
    """Whether the result is on the simulated device: if requested there, else if its arguments are there."""
    if name == "copy_":
        return isinstance(args[0], Elsewhere)
    requested = kwargs.get("device")
    return theirs if requested is None else bool(requested == ELSEWHERE)


def _unchanged(tensor: Elsewhere, name: str) -> Elsewhere:
    """A tensor after an in-place operation, which must not have changed its shape."""
    if (tensor.shape, tensor.stride()) != (tensor.numbers.shape, tensor.numbers.stride()):
        raise NotImplementedError(f"{name} changes the shape of a tensor in place, which is not followed here")
    return tensor


def refuse_mixed(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Raise DeviceError for an operation that CUDA would refuse, with tensors on different devices."""
    may_index = name in INDEXING and isinstance(args[0], Elsewhere)  # operations that accept tensors of the CPU
    every = list(tensors(((args[0], *args[2:]) if may_index else args, kwargs)))
    here = [_shape(t) for t in every if t.ndim and t.device.type == "cpu"]
    there = [_shape(t) for t in every if isinstance(t, Elsewhere)]
    if here and there:
        cpus, others, advice = " and ".join(here), " and ".join(there), "move the first with .to(x.device)"
        raise DeviceError(f"{name} mixes tensors of the CPU, {cpus}, with others of another device, {others}; {advice}")


def refuse_generator(name: str, args: Any, kwargs: Mapping[str, Any]) -> None:
    """Raise DeviceError if a generator draws for a tensor of another device than its own."""
    there = is_elsewhere(kwargs.get("device")) or any(isinstance(each, Elsewhere) for each in tensors(args))
    if is_elsewhere(kwargs["generator"].device) != there:
        devices = ("the CPU", "another device")
        whose, what = devices if there else devices[::-1]
        raise DeviceError(f"{name} draws from a generator of {whose} for a tensor of {what}; see Rng.randn_like")


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


def mapped(tree: Any, change: Callable[[Tensor], Any]) -> Any:
    """Arguments or results with each tensor changed."""
    if isinstance(tree, Tensor):
        return change(tree)
    if isinstance(tree, list | tuple):
        return type(tree)([mapped(each, change) for each in tree])
    return {key: mapped(value, change) for key, value in tree.items()} if isinstance(tree, dict) else tree


def tensors(tree: Any) -> Iterator[Tensor]:
    """The tensors of arguments."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, list | tuple | dict):
        for each in tree.values() if isinstance(tree, dict) else tree:
            yield from tensors(each)


def _numbers(tensor: Tensor) -> Tensor:
    return tensor.numbers if isinstance(tensor, Elsewhere) else tensor
