"""The canvas of figures: one style, colours that colour-blind readers can distinguish, and the output file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from invbench.atomic import write_atomic
from invbench.errors import StoreError

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")
PAGE = 6.5  # inches, the width of a page's text
BLUE, ORANGE, RED = "#0072B2", "#E69F00", "#D55E00"
COLOURS = (BLUE, ORANGE, "#009E73", RED, "#CC79A7", "#56B4E9", "#000000", "#999999")  # Okabe and Ito (2008)
MARKERS = "osD^vP<X>"  # one more than colours, so that 72 series differ
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "savefig.dpi": 200,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.03,
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a name may hold any characters
}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function in our style, independent of the caller's matplotlib settings."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        from matplotlib import rc_context

        with rc_context(STYLE):
            return draw(*args, **kwargs)

    return inside


def sheet(width: float, height: float, layout: Any = "constrained") -> Figure:
    """An empty figure of this size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout)


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Plain numbers at the ticks of a logarithmic axis: matplotlib's own are formulas, which are not parsed here."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0,) if high > 20 * low else (1.0, 2.0, 5.0)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def series(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each name, the same for the same names.

    >>> series(["ddrm", "davi", "ddrm"])
    {'ddrm': ('#0072B2', 'o'), 'davi': ('#E69F00', 's')}
    """
    unique = dict.fromkeys(names)
    return {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(unique)}


@styled
def save(fig: Figure, path: Path) -> Path:
    """Write PNG or, by the path's suffix, a vector format; creates folders. Raises StoreError if it cannot."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = BytesIO()
        fig.savefig(data, format=path.suffix.removeprefix("."))
        write_atomic(path, data.getvalue())
    except OSError as error:
        raise StoreError(f"cannot write the figure to {path}: {error.strerror}") from None
    return path
