"""Plots, images, the report and the model card.

In: waveforms, metrics and notes. Out: matplotlib figures, PNG images, one HTML page, Markdown.
Imports: rooms up to `training`. The only room that imports matplotlib, pillow and jinja2.
"""
