"""A bundle at work: recordings to predictions on ONNX Runtime.

In: a bundle, and recordings as paths, bytes or arrays. Out: `Prediction` with scores, windows and events.
Imports: rooms up to `tasks`; never torch, pandas or scikit-learn, which a server does without.
"""
