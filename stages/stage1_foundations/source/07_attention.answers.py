"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""

import torch
from torch.nn import functional


def by_distance(queries, keys, window):
    distance = torch.arange(keys - queries, keys)[:, None] - torch.arange(keys)
    return (distance >= 0) & (distance < window)


def by_triangles(queries, keys, window):
    whole = torch.ones(keys, keys, dtype=torch.bool)
    return (whole.tril() & whole.triu(1 - window))[keys - queries :]


def aligned_left(queries, keys, window):
    distance = torch.arange(queries)[:, None] - torch.arange(keys)
    return (distance >= 0) & (distance < window)


def one_too_wide(queries, keys, window):
    return by_distance(queries, keys, window + 1)


def looks_ahead(queries, keys, window):
    distance = torch.arange(keys - queries, keys)[:, None] - torch.arange(keys)
    return distance.abs() < window


def padded(scores):
    return functional.pad(scores, (0, 1)).softmax(-1)[..., :-1]


def shifted(scores):
    top = scores.amax(-1, keepdim=True).clamp(min=0)
    powers = (scores - top).exp()
    return powers / ((-top).exp() + powers.sum(-1, keepdim=True))


def overflowing(scores):
    return scores.exp() / (1 + scores.exp().sum(-1, keepdim=True))


def ordinary(scores):
    return scores.softmax(-1)


def one_after_shift(scores):
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    return powers / (1 + powers.sum(-1, keepdim=True))


twenty = strongest(induction, 20)  # noqa: F821  the lesson's
losses_right = silenced(twenty, causal), silenced(twenty, everything)  # noqa: F821

RIGHT = {
    "exercise_1": [0.665],
    "exercise_2": [by_distance, by_triangles],
    "exercise_3": [1, 1.0],
    "exercise_4": [padded, shifted],
    "exercise_5": [losses_right, [round(loss, 2) for loss in losses_right]],
}
WRONG = {
    "exercise_1": [0.245, 0.867, 0.5],
    "exercise_2": [aligned_left, one_too_wide, looks_ahead],
    "exercise_3": [4.0, 0.5, 1.07],
    "exercise_4": [overflowing, ordinary, one_after_shift],
    "exercise_5": [losses_right[::-1], (with_mask, without_mask)],  # noqa: F821
}
