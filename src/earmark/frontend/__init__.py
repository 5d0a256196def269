"""Waveforms to features, as torch modules whose frames are not centred, so that a stream gives what the file gives.

In: waveforms, shape (batch, time). Out: features, shape (batch, channel, bin, frame); one module for each kind of feature.
Imports: `audio`.
"""
