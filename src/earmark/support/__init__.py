"""Files, archives and progress bars: what every room needs and no room is about.

In: paths and bytes. Out: files written to a temporary name and renamed, archives unpacked safely, bars on standard error.
Imports: `earmark.errors` alone.
"""
