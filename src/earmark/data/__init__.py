"""Data on disk to clips: layouts, tables, annotations, splits, the cache, what is wrong with a data set.

In: the path of a folder or a table. Out: a `Manifest` (the table of clips), its splits, and `Clips` (decoded recordings).
Imports: rooms up to `bundle`; pandas and scikit-learn, but never torch.
"""
