"""Load, split, check, normalise, augment and feed data.

TensorFlow, TensorFlow Datasets, Keras and Pillow are imported by the functions that need them.
"""

from keras_ext.data.augmented_examples import augmented_examples
from keras_ext.data.batches import evaluation_batches, training_batches
from keras_ext.data.check_split import check_split
from keras_ext.data.folder import load_folder
from keras_ext.data.images import load_images
from keras_ext.data.load import load
from keras_ext.data.mini_batch_size import mini_batch_size
from keras_ext.data.normalizer import normalizer
from keras_ext.data.rule_of_thumb import rule_of_thumb
from keras_ext.data.split import sample, split
from keras_ext.records import Arrays, Augmentation, Splits

__all__ = [
    "Arrays",
    "Augmentation",
    "Splits",
    "augmented_examples",
    "check_split",
    "evaluation_batches",
    "load",
    "load_folder",
    "load_images",
    "mini_batch_size",
    "normalizer",
    "rule_of_thumb",
    "sample",
    "split",
    "training_batches",
]
