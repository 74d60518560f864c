"""Numbers in, a verdict out: is it bias or variance, how sure is that, and which knob to turn.

Pure: numpy and the standard library, nothing is printed and no model is touched.
"""

from keras_ext.diagnosis.convergence import Convergence, convergence
from keras_ext.diagnosis.diagnosis import Diagnosis, diagnose
from keras_ext.diagnosis.early_stopping import EarlyStop, early_stop
from keras_ext.diagnosis.error_estimate import ErrorEstimate
from keras_ext.diagnosis.falling import Falling, falling
from keras_ext.diagnosis.gap import Gap
from keras_ext.diagnosis.initialization import Initialization
from keras_ext.diagnosis.intervals import difference_interval
from keras_ext.diagnosis.layer_health import LayerHealthReport, judge_layers
from keras_ext.diagnosis.layer_record import LayerRecord
from keras_ext.diagnosis.learning_rate_range import LearningRates, learning_rates
from keras_ext.diagnosis.moving_average import moving_average, steps_to
from keras_ext.diagnosis.notches import KNOBS, notch
from keras_ext.diagnosis.over_seeds import OverSeeds, over_seeds
from keras_ext.diagnosis.overfitting import Overfitting
from keras_ext.diagnosis.paired import paired_interval
from keras_ext.diagnosis.power_law import Extrapolation, PowerLaw, extrapolate
from keras_ext.diagnosis.remedy import Remedy, Setting, remedies
from keras_ext.diagnosis.stopping import StoppingReport

__all__ = [
    "KNOBS",
    "Convergence",
    "Diagnosis",
    "EarlyStop",
    "ErrorEstimate",
    "Extrapolation",
    "Falling",
    "Gap",
    "Initialization",
    "LayerHealthReport",
    "LayerRecord",
    "LearningRates",
    "OverSeeds",
    "Overfitting",
    "PowerLaw",
    "Remedy",
    "Setting",
    "StoppingReport",
    "convergence",
    "diagnose",
    "difference_interval",
    "early_stop",
    "extrapolate",
    "falling",
    "judge_layers",
    "learning_rates",
    "moving_average",
    "notch",
    "over_seeds",
    "paired_interval",
    "remedies",
    "steps_to",
]
