"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""

import itertools


def hide(text, secrets):
    covered = [False] * len(text)
    for secret in filter(None, secrets):
        start = text.find(secret)
        while start >= 0:
            covered[start : start + len(secret)] = [True] * len(secret)
            start = text.find(secret, start + 1)
    groups = itertools.groupby(range(len(text)), key=lambda i: covered[i])
    return "".join("[redacted]" if on else "".join(text[i] for i in run) for on, run in groups)


def hide_by_spans(text, secrets):
    spans = sorted((i, i + len(s)) for s in secrets if s for i in range(len(text)) if text.startswith(s, i))
    merged = []
    for start, stop in spans:
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(stop, merged[-1][1])
        else:
            merged.append([start, stop])
    for start, stop in reversed(merged):
        text = text[:start] + "[redacted]" + text[stop:]
    return text


def one_after_another(text, secrets):
    for secret in filter(None, secrets):
        text = text.replace(secret, "[redacted]")
    return text


def without_self_overlap(text, secrets):
    pattern = "|".join(re.escape(secret) for secret in secrets if secret)  # noqa: F821
    return re.sub(f"(?:{pattern})+", "[redacted]", text)  # noqa: F821


def loss(z, y):
    return np.mean(np.logaddexp(0, z) - y * z)  # noqa: F821


def loss_by_sign(z, y):
    margin = np.where(y == 1, z, -z)  # noqa: F821
    return float(np.mean(np.log1p(np.exp(-np.abs(margin))) + np.maximum(-margin, 0)))  # noqa: F821


def loss_overflows(z, y):
    p = 1 / (1 + np.exp(-z))  # noqa: F821
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))  # noqa: F821


def loss_clipped(z, y):
    p = np.clip(sigmoid(z), 1e-15, 1 - 1e-15)  # noqa: F821
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))  # noqa: F821


def cheapest(scores, labels):
    return min([*scores, max(scores) + 1], key=lambda limit: cost(scores, labels, limit))  # noqa: F821


def cheapest_between(scores, labels):
    ordered = np.unique(scores)  # noqa: F821
    middles = [ordered[0] - 1, *(ordered[:-1] + ordered[1:]) / 2, ordered[-1] + 1]
    return min(middles, key=lambda limit: cost(scores, labels, limit))  # noqa: F821


def lowest_injection(scores, labels):
    return min([s for s, label in zip(scores, labels, strict=True) if label == 1], default=2.0)


RIGHT = {
    "exercise_1": [0.14, 800 / 5790],
    "exercise_2": [hide, hide_by_spans],
    "exercise_3": [loss, loss_by_sign],
    "exercise_4": [cheapest, cheapest_between],
}
WRONG = {
    "exercise_1": [0.99, 0.8, 0.02],
    "exercise_2": [one_after_another, without_self_overlap],
    "exercise_3": [loss_overflows, loss_clipped],
    "exercise_4": [lambda scores, labels: 0.5, lambda scores, labels: max(scores) + 1, lowest_injection],
}
