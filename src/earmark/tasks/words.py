"""Figures in words, for reports and model cards; what is undefined is a dash."""

from __future__ import annotations

from collections.abc import Sequence


def three(value: float | None, undefined: str = "–") -> str:
    """Three decimals."""
    return undefined if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Per cent with one decimal."""
    return "–" if value is None else f"{100 * value:.1f}%"


def share(value: float | None) -> str:
    """Per cent with three digits: small shares differ in their first one."""
    return "–" if value is None else f"{100 * value:.3g}%"


def interval(ends: Sequence[float] | None, form: str = "{:.1f}", factor: float = 100, words: str = " (95%: {})") -> str:
    """A 95% interval in brackets; nothing where there is none."""
    return words.format(" to ".join(form.format(factor * end) for end in ends)) if ends else ""
