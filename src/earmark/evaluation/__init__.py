"""Predictions to metrics: pure functions over arrays.

In: scores and targets as arrays. Out: dictionaries of metrics with intervals; what is undefined is None.
Imports: numpy, scikit-learn and scipy; nothing of Earmark.
"""
