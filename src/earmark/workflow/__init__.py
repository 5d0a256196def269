"""The verbs, from data to bundle, metrics and report: what the command line and ``earmark.train`` call.

In: paths and options. Out: a bundle, metrics and a report, written to a temporary name and renamed.
Imports: rooms up to `figures`. The only room that imports optuna.
"""

from earmark.workflow.adaptation import adapt
from earmark.workflow.crossvalidation import crossval
from earmark.workflow.evaluating import evaluate
from earmark.workflow.training import Result, train
from earmark.workflow.tuning import Tuned, tune

__all__ = ["Result", "Tuned", "adapt", "crossval", "evaluate", "train", "tune"]
