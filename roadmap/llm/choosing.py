"""Which tool, or none: what the model thinks of each way its answer could begin.

One constrained decoding step walks the likeliest of the offered beginnings; the others leave that path at some token,
and the probability with which they do is theirs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .engine import Step


def weigh(steps: Sequence[Step], options: Mapping[str, Any]) -> dict[str, float]:
    """Log-probability of each option (the texts it may begin with) from the steps along the likeliest one.

    Options that the model did not have among the likeliest tokens where they part get the last of those, which is an
    upper bound.
    """
    scores: dict[str, float] = {}
    for option in options:
        path, total = "", 0.0
        for step in steps:
            ahead = [
                logprob
                for text, logprob in step.likeliest
                if text and _agrees(path + text, option) and not _agrees(text, step.text)
            ]
            if _agrees(path + step.text, option):
                path, total = path + step.text, total + step.logprob
                if len(path) >= len(option):
                    break
                continue
            floor = min((logprob for _, logprob in step.likeliest), default=-30.0)
            total += _sum_of(ahead) if ahead else floor
            break
        scores[option] = total
    return scores


def _agrees(text: str, option: str) -> bool:
    return option.startswith(text) or text.startswith(option)


def _sum_of(logprobs: Sequence[float]) -> float:
    most = max(logprobs)
    return most + math.log(sum(math.exp(value - most) for value in logprobs))
