"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""

import torch


def relu_right(value):
    return Value(max(0.0, value.data), (value,), (float(value.data > 0),))  # noqa: F821  the lesson's


def relu_by_branch(value):
    return value * 1.0 if value.data > 0 else value * 0.0


def relu_cut(value):
    return Value(max(0.0, value.data))  # noqa: F821


def relu_always_one(value):
    return Value(max(0.0, value.data), (value,), (1.0,))  # noqa: F821


def relu_number(value):
    return max(0.0, value.data)


def kl_right(p_scores, q_scores):
    a, b = p_scores.log_softmax(-1), q_scores.log_softmax(-1)
    return torch.where(a.exp() > 0, a.exp() * (a - b), 0.0).sum(-1)


def kl_by_loop(p_scores, q_scores):
    out = []
    for a, b in zip(p_scores.log_softmax(-1), q_scores.log_softmax(-1), strict=True):
        keep = a > -1e9
        out.append((a[keep].exp() * (a[keep] - b[keep])).sum())
    return torch.stack(out)


def kl_reversed(p_scores, q_scores):
    return kl_right(q_scores, p_scores)


def kl_naive(p_scores, q_scores):
    a, b = p_scores.softmax(-1), q_scores.softmax(-1)
    return (a * (a.log() - b.log())).sum(-1)


def kl_mean(p_scores, q_scores):
    return kl_right(p_scores, q_scores).mean()


RIGHT = {
    "exercise_1": [4.036, 4.0360],
    "exercise_2": [[45, 36], (45.0, 36.0)],
    "exercise_3": [relu_right, relu_by_branch],
    "exercise_4": [kl_right, kl_by_loop],
}
WRONG = {
    "exercise_1": [0.036, 4.0, 0.018],
    "exercise_2": [[27, 36], [45, 30], [18, 12]],
    "exercise_3": [relu_cut, relu_always_one, relu_number],
    "exercise_4": [kl_reversed, kl_naive, kl_mean],
}
