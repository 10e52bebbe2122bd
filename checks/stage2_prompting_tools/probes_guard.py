"""What runs beside the learner's code for task 2.8: it builds, calls and returns data; it never judges."""

from __future__ import annotations

import random

import numpy as np


def sanitised(learner, *, texts, options=None):
    """Each text sanitised."""
    return [learner.guard.sanitise(text, **(options or {})) for text in texts]


def quoted(learner, *, text, source, times, seeded=False):
    """The text quoted several times; with `seeded`, after the same seed each time."""
    found = []
    for _ in range(times):
        if seeded:
            random.seed(7)
            np.random.seed(7)
        found.append(learner.guard.quote(text, source))
    return found


def fitted(learner, *, texts, labels, options, score=(), again=None):
    """A guard after `fit`: its parameters, and scores. `again` is fitted first, on the same object."""
    guard = learner.guard.Guard()
    random.seed(3)
    np.random.seed(3)
    before = random.getstate(), np.random.get_state()[1].tolist()
    if again is not None:
        guard.fit(*again)
    guard.fit(list(texts), list(labels), **options)
    after = random.getstate(), np.random.get_state()[1].tolist()
    return {
        "weights": np.array(guard.weights, dtype=float),
        "bias": float(guard.bias),
        "threshold": float(guard.threshold),
        "scores": [guard.score(text) for text in score],
        "global": before == after,
    }


def trained(learner, *, score, false_alarms):
    """A guard fitted on the training texts of the package: its threshold, and the scores of other texts."""
    from importlib import import_module

    package = learner.guard.__name__.rpartition(".")[0]
    given = import_module(f"{package}.guard_examples")
    guard = learner.guard.Guard()
    guard.fit(given.TEXTS, given.LABELS, seed=0, max_false_alarms=false_alarms)
    return {"threshold": float(guard.threshold), "scores": [guard.score(text) for text in score]}


def unfitted(learner):
    """What a guard says before it has learnt anything."""
    return learner.guard.Guard().score("hello")
