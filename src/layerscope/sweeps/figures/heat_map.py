"""Effects as colours: the heat map that several figures of a sweep share, and its scale."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter

from layerscope.figures.style import signed_number


def heat_map(axes: Axes, values: Float[np.ndarray, "row column"]) -> AxesImage:
    """Red where prediction gets worse, blue where it gets better; steps of colour are steps of size, on a log scale."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    largest = float(sizes.max()) if len(sizes) else 1.0
    threshold = max(float(np.quantile(sizes, 0.1)) if len(sizes) else 0.1, largest / 1000)
    norm = SymLogNorm(linthresh=threshold, vmin=-largest, vmax=largest)
    image = axes.imshow(values, aspect="auto", cmap="RdBu_r", norm=norm, interpolation="nearest")
    axes.grid(visible=False)
    axes.set_facecolor("#eeeeee")
    return image


def colour_bar(figure: Figure, image: AxesImage, axes: Axes, name: str) -> None:
    """The scale of a heat map, with a step a power of ten."""
    bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05)
    bar.set_label(name)
    bar.minorticks_off()
    largest = float(np.abs(image.get_clim()).max())
    smallest = max(largest / 100, image.norm.linthresh) if isinstance(image.norm, SymLogNorm) else largest / 100
    steps = [10.0**power for power in range(-4, 5) if smallest <= 10.0**power <= largest] or [float(f"{largest:.0e}")]
    bar.set_ticks([-step for step in reversed(steps)] + [0.0, *steps])
    bar.ax.yaxis.set_major_formatter(FuncFormatter(signed_number))
