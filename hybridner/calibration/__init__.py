"""Fitting what comes after training on out-of-fold or dev predictions: temperature, weights, stackers, τ."""

from hybridner.calibration.calibrate import Choices, calibrate
from hybridner.calibration.judged import Calibrated, Judged, cross_fitted, fit_all, judge
from hybridner.calibration.threshold import Target

__all__ = ["Calibrated", "Choices", "Judged", "Target", "calibrate", "cross_fitted", "fit_all", "judge"]
