"""Figures of a run, for pages and notebooks alike.

Each function takes records or plain numbers and returns a ``matplotlib.figure.Figure`` that belongs
to nobody: pyplot and its state are never touched. ``width`` is in inches; ``palette`` gives the
colours. Values that are not finite are left out. matplotlib is imported when a figure is drawn.
"""

from keras_ext.reports.figures.augmented_images import augmented_images
from keras_ext.reports.figures.best_so_far import best_so_far
from keras_ext.reports.figures.chart import chart
from keras_ext.reports.figures.confusion import confusion
from keras_ext.reports.figures.importance_bars import importance_bars
from keras_ext.reports.figures.isolation import isolation
from keras_ext.reports.figures.iteration_costs import iteration_costs
from keras_ext.reports.figures.layer_signals import layer_signals
from keras_ext.reports.figures.learning_curves import learning_curves
from keras_ext.reports.figures.learning_rate_range import learning_rate_range
from keras_ext.reports.figures.palette import Palette
from keras_ext.reports.figures.parallel_coordinates import parallel_coordinates
from keras_ext.reports.figures.round_bars import round_bars

__all__ = [
    "Palette",
    "augmented_images",
    "best_so_far",
    "chart",
    "confusion",
    "importance_bars",
    "isolation",
    "iteration_costs",
    "layer_signals",
    "learning_curves",
    "learning_rate_range",
    "parallel_coordinates",
    "round_bars",
]
