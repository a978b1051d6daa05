"""Fitting what comes after training on out-of-fold or dev predictions: temperature, weights, stackers, τ."""

from hybridner.calibration.calibrate import CalibrationConfig, calibrate
from hybridner.calibration.evaluated import EvaluatedCandidates, cross_fit, evaluate, fit_settings
from hybridner.calibration.llm_fit import LlmCalibration
from hybridner.calibration.llm_member import fit_member, fit_trust
from hybridner.calibration.pool import fit_pool
from hybridner.calibration.stackers import fit_stacker
from hybridner.calibration.temperature import fit_temperature
from hybridner.calibration.threshold import Target
from hybridner.calibration.weights import fit_combiner

__all__ = [
    "CalibrationConfig",
    "EvaluatedCandidates",
    "LlmCalibration",
    "Target",
    "calibrate",
    "cross_fit",
    "evaluate",
    "fit_combiner",
    "fit_member",
    "fit_pool",
    "fit_settings",
    "fit_stacker",
    "fit_temperature",
    "fit_trust",
]
