"""Numbers in, a verdict out: is it bias or variance, how sure is that, and which knob to turn.

Pure: numpy and the standard library, nothing is printed and no model is touched.
"""

from keras_ext.diagnosis.diagnosis import Diagnosis, diagnose
from keras_ext.diagnosis.error_estimate import ErrorEstimate
from keras_ext.diagnosis.gap import Gap
from keras_ext.diagnosis.intervals import difference_interval
from keras_ext.diagnosis.notches import KNOBS, notch
from keras_ext.diagnosis.remedy import Remedy, remedies

__all__ = [
    "KNOBS",
    "Diagnosis",
    "ErrorEstimate",
    "Gap",
    "Remedy",
    "diagnose",
    "difference_interval",
    "notch",
    "remedies",
]
