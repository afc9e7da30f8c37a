"""Evaluators run by the loop and by hand, and the metrics they use."""

from sgm.evaluation.evaluator import build

__all__ = ['build']
