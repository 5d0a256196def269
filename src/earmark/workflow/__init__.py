"""The verbs, from data to bundle, metrics and report: what the command line and ``earmark.train`` call.

In: paths and options. Out: a bundle, metrics and a report, written to a temporary name and renamed.
Imports: rooms up to `figures`. The only room that imports optuna.
"""
