"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""


def smaller_line(step, peak, warm, total):
    return peak * min((step + 1) / warm, (total - step) / (total - warm + 1))


def by_cases(step, peak, warm, total):
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (1 - (step - warm + 1) / (total - warm + 1))


def starts_at_zero(step, peak, warm, total):
    return peak * min(step / warm, (total - step) / (total - warm))


def never_falls(step, peak, warm, total):
    return peak * min((step + 1) / warm, 1.0)


def cost(threshold):
    called = ranked["none"] >= threshold  # noqa: F821  the lesson's
    return called.sum() + 20 * (confesses[b] & ~called).sum()  # noqa: F821


least = min(cost(t) for t in [*np.unique(ranked["none"]), 2])  # noqa: F821

RIGHT = {
    "exercise_1": [0.886, 0.8864],
    "exercise_2": [smaller_line, by_cases],
    "exercise_3": [least, int(least)],
    "exercise_4": [2.16, 2.2 - 0.04],
}
WRONG = {
    "exercise_1": [0.790, 0.892, 0.876],
    "exercise_2": [starts_at_zero, never_falls],
    "exercise_3": [cost(0.5), cost(0.0), 0],
    "exercise_4": [1.08, 0.54, 2.0],
}
