"""How a network's signals change over its depth."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from typing import TYPE_CHECKING

from keras_ext.diagnosis.layer_record import LayerRecord
from keras_ext.reports.figures.canvas import label_axis, legend_above, new_figure
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def layer_signals(
    layers: Sequence[LayerRecord], *, width: float = 8.0, palette: Palette | None = None
) -> Figure:
    """RMS of activations and gradients of each layer over its depth, both on logarithmic scales.

    A straight line up or down is a signal that explodes or vanishes.

    Args:
        layers: in the order in which they were called.

    >>> layers = [LayerRecord(f"d{i}", i, "relu", False, 8, 8, 0.5, 2.0) for i in (1, 2)]
    >>> layer_signals(layers).axes[0].lines[0].get_ydata().tolist()
    [0.5, 0.5]
    """
    palette = palette or Palette()
    figure, axes = new_figure(width, 0.36 * width + 0.7, palette)
    depths = [layer.depth for layer in layers]
    for label, color, values in (
        ("activations", palette.train, [layer.activation_rms for layer in layers]),
        ("gradients", palette.validation, [layer.gradient_rms for layer in layers]),
    ):
        shown = [value if isfinite(value) and value > 0 else nan for value in values]
        axes.plot(depths, shown, color=color, lw=2, marker="o", markersize=3, label=label)
    from matplotlib.ticker import MaxNLocator

    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_axis(axes.xaxis, "layers with weights from the input", palette)
    label_axis(axes.yaxis, "RMS", palette)
    legend_above(axes, palette)
    return figure
