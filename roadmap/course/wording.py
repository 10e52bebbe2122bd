"""Numbers as people write them."""

from __future__ import annotations


def number(value: float) -> str:
    """Points as people write them: `10`, `2.5`, at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def clock(minutes: float) -> str:
    """Minutes as people say them: `45 min`, `1 h 30 min`."""
    hours, rest = divmod(round(minutes), 60)
    return " ".join(
        part for part in (f"{hours} h" if hours else "", f"{rest} min" if rest or not hours else "") if part
    )
