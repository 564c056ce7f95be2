"""invbench: a benchmark for solvers of noisy inverse problems with a diffusion prior.

What a plugin needs is importable from here. ``__init__.pyi`` lists the names, each with the module that defines it.
They are loaded on first use, so that ``import invbench`` is cheap and free of torch.
"""

import lazy_loader

__version__ = "0.2.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
