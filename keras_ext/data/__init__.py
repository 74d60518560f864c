"""Load, split, check, normalise, augment and feed data.

TensorFlow, TensorFlow Datasets, Keras and Pillow are imported by the functions that need them.
"""

from keras_ext.data.augmented_examples import augmented_examples
from keras_ext.data.batches import evaluation_batches, training_batches
from keras_ext.data.check_split import check_split
from keras_ext.data.distribution_report import DistributionReport
from keras_ext.data.duplicates import Duplicates, duplicates
from keras_ext.data.folder import load_folder
from keras_ext.data.images import load_images
from keras_ext.data.load import load
from keras_ext.data.mini_batch_size import mini_batch_size
from keras_ext.data.normalizer import normalizer
from keras_ext.data.same_distribution import same_distribution
from keras_ext.data.split import sample, split
from keras_ext.data.split_sizes import SplitSizes, split_sizes
from keras_ext.data.table import load_table
from keras_ext.records import Arrays, Augmentation, Splits

__all__ = [
    "Arrays",
    "Augmentation",
    "DistributionReport",
    "Duplicates",
    "SplitSizes",
    "Splits",
    "augmented_examples",
    "check_split",
    "duplicates",
    "evaluation_batches",
    "load",
    "load_folder",
    "load_images",
    "load_table",
    "mini_batch_size",
    "normalizer",
    "same_distribution",
    "sample",
    "split",
    "split_sizes",
    "training_batches",
]
