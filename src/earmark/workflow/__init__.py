"""From data to bundle, metrics and report: what the command line and ``earmark.train`` call."""

from earmark.workflow.adaptation import adapt
from earmark.workflow.crossvalidation import crossval
from earmark.workflow.evaluating import evaluate
from earmark.workflow.training import Result, train
from earmark.workflow.tuning import Tuned, tune

__all__ = ["Result", "Tuned", "adapt", "crossval", "evaluate", "train", "tune"]
