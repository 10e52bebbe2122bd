"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""

import torch


def by_weights(n):
    b = 1 / torch.arange(1.0, n + 1)
    return 1 - b, b


def by_fractions(n):
    t = torch.arange(float(n))
    return t / (t + 1), 1 / (t + 1)


def sums(n):
    return torch.ones(n), torch.ones(n)


def one_late(n):
    b = 1 / torch.arange(2.0, n + 2)
    return 1 - b, b


RIGHT = {
    "exercise_1": [[-0.416, -0.040, 0.909, 2.000], (-0.4161, -0.0400, 0.9093, 1.9996)],
    "exercise_2": [[0.707, 0.354, 0.177, 0.088], [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]],
    "exercise_3": [[(0, 5, 1), (3, 8, 5), (6, 11, 8), (9, 12, 11)], [[0, 5, 1], [3, 8, 5], [6, 11, 8], [9, 12, 11]]],
    "exercise_4": [by_weights, by_fractions],
}
WRONG = {
    # neighbours as pairs; turned backwards; all features at the fast speed
    "exercise_1": [[-0.416, 0.909, -0.040, 2.000], [-0.416, 0.040, -0.909, 2.000], [-0.416, -1.819, 0.909, -0.832]],
    # the longer series in order; every second from the second, which repeats what is there
    "exercise_2": [[0.707, 0.5, 0.354, 0.25], [0.5, 0.25, 0.125, 0.0625], [0.707, 0.354, 0.177]],
    # the overlap scored twice; the tail dropped; token 0 scored; side by side
    "exercise_3": [
        [(0, 5, 1), (3, 8, 4), (6, 11, 7), (9, 12, 10)],
        [(0, 5, 1), (3, 8, 5), (6, 11, 8)],
        [(0, 5, 0), (3, 8, 5), (6, 11, 8), (9, 12, 11)],
        [(0, 5, 1), (5, 10, 6), (10, 12, 11)],
    ],
    "exercise_4": [sums, one_late],
}
