"""Clips to a fitted network or detector: recipes, augmentation, batches, steps, checkpoints.

In: clips, their targets and a recipe. Out: a classifier with trained weights, or a detector with what is normal.
Imports: rooms up to `networks`. The only room that imports lightning.
"""
