"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""


def ppmi_by_mask(counts):
    expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()  # noqa: F821  the lesson's
    result = np.zeros(counts.shape)  # noqa: F821
    seen = counts > 0
    result[seen] = np.maximum(np.log(counts[seen] / expected[seen]), 0)  # noqa: F821
    return result


def ppmi_by_loop(counts):
    total, result = counts.sum(), np.zeros(counts.shape)  # noqa: F821
    for i, line in enumerate(counts):
        for j, n in enumerate(line):
            if n:
                result[i, j] = max(0.0, math.log(n * total / line.sum() / counts[:, j].sum()))  # noqa: F821
    return result


def pmi_not_cut(counts):
    expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()  # noqa: F821
    result = np.zeros(counts.shape)  # noqa: F821
    seen = counts > 0
    result[seen] = np.log(counts[seen] / expected[seen])  # noqa: F821
    return result


def ppmi_divides_by_zero(counts):
    with np.errstate(all="ignore"):  # noqa: F821
        expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()  # noqa: F821
        return np.maximum(np.log(counts / expected), 0)  # noqa: F821


def step(v, u, rate):
    wrong = 1 / (1 + np.exp(-(u @ v)))  # noqa: F821
    wrong[0] -= 1
    return v - rate * wrong @ u, u - rate * np.outer(wrong, v)  # noqa: F821


def step_from_new_v(v, u, rate):
    wrong = 1 / (1 + np.exp(-(u @ v)))  # noqa: F821
    wrong[0] -= 1
    v = v - rate * wrong @ u
    return v, u - rate * np.outer(wrong, v)  # noqa: F821


def step_uphill(v, u, rate):
    return step(v, u, -rate)


RIGHT = {
    "exercise_1": [4.53, 4.5325],
    "exercise_2": [ppmi_by_mask, ppmi_by_loop],
    "exercise_3": [step],
}
WRONG = {
    "exercise_1": [2.08, 1.51, 5.08],
    "exercise_2": [pmi_not_cut, ppmi_divides_by_zero],
    "exercise_3": [step_from_new_v, step_uphill],
}
