"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""


def longest_of_all(text, stops):
    longest = max((unsafe_end(text, stop) for stop in stops), default=0)  # noqa: F821  the lesson's
    return text[len(text) - longest :]


def by_positions(text, stops):
    for start in range(len(text)):
        if any(stop.startswith(text[start:]) for stop in stops):
            return text[start:]
    return ""


def shortest(text, stops):
    lengths = [unsafe_end(text, stop) for stop in stops]  # noqa: F821
    return text[len(text) - min(lengths, default=0) :]


def everything_on_zero(text, stops):
    longest = max((unsafe_end(text, stop) for stop in stops), default=0)  # noqa: F821
    return text[-longest:]


def together(gradients, max_norm):
    norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))  # noqa: F821
    factor = min(1.0, max_norm / norm) if norm else 1.0
    return [gradient * factor for gradient in gradients]


def each(gradients, max_norm):
    return [gradient * min(1.0, max_norm / float(gradient.norm())) for gradient in gradients]


def always(gradients, max_norm):
    norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))  # noqa: F821
    return [gradient * (max_norm / norm) for gradient in gradients]


def in_place(gradients, max_norm):
    norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))  # noqa: F821
    for gradient in gradients:
        gradient.mul_(min(1.0, max_norm / norm))
    return gradients


RIGHT = {
    "exercise_1": [2],
    "exercise_2": [720],
    "exercise_3": [longest_of_all, by_positions],
    "exercise_4": [1.06, 1.065],
    "exercise_5": [together],
}
WRONG = {
    "exercise_1": [3, 1],
    "exercise_2": [2160, 360, 45],
    "exercise_3": [shortest, everything_on_zero],
    "exercise_4": [1.15, 0.74],
    "exercise_5": [each, always, in_place],
}
