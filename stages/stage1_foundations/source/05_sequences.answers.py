"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""

import math

import torch


def clip_right(gradients, limit):
    norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
    factor = limit / norm if norm > limit else 1.0
    return [g * factor for g in gradients]


def clip_by_stack(gradients, limit):
    norm = torch.stack([g.norm() for g in gradients]).norm()
    return [g * torch.clamp(limit / (norm + 1e-12), max=1.0) for g in gradients]


def clip_each(gradients, limit):
    return [g * min(1.0, limit / max(g.norm().item(), 1e-12)) for g in gradients]


def clip_values(gradients, limit):
    return [g.clamp(-limit, limit) for g in gradients]


def clip_always(gradients, limit):
    norm = torch.stack([g.norm() for g in gradients]).norm() + 1e-12
    return [g * limit / norm for g in gradients]


def clip_in_place(gradients, limit):
    norm = torch.stack([g.norm() for g in gradients]).norm()
    for g in gradients:
        g.mul_(torch.clamp(limit / (norm + 1e-12), max=1.0))
    return gradients


def truncated_right(u, xs, k):
    states = [0.0]
    for x in xs:
        states.append(x + u * states[-1])
    last = len(xs)
    return sum(u ** (last - t) * states[t - 1] for t in range(last, max(0, last - k), -1))


def truncated_full(u, xs, k):
    return truncated_right(u, xs, len(xs))


def truncated_one_more(u, xs, k):
    return truncated_right(u, xs, k + 1)


RIGHT = {
    "exercise_1": [[16, 8], (16.0, 8.0)],
    "exercise_2": [3.76, 3.757],
    "exercise_3": [clip_right, clip_by_stack],
    "exercise_4": [truncated_right],
}
WRONG = {
    "exercise_1": [[16, 5], [16, 17], [8, 16]],
    "exercise_2": [0.977, 2.2, 4.6],
    "exercise_3": [clip_each, clip_values, clip_always, clip_in_place],
    "exercise_4": [truncated_full, truncated_one_more],
}
