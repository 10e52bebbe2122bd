"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""


def by_length(step, ids, count, stop):
    text = list(ids)
    while len(text) < len(ids) + count:
        scores = step(text)
        text.append(max(range(len(scores)), key=lambda token: scores[token]))
        if text[-1] == stop:
            break
    return text[len(ids) :]


def for_ever(step, ids, count, stop):
    return speak(step, ids, count)  # noqa: F821  the lesson's


def in_place(step, ids, count, stop):
    new = []
    for _ in range(count):
        scores = step(ids)
        ids.append(max(range(len(scores)), key=lambda token: scores[token]))
        new.append(ids[-1])
        if new[-1] == stop:
            break
    return new


def cut_afterwards(step, ids, count, stop):
    new = speak(step, ids, count)  # noqa: F821
    return new[: new.index(stop) + 1] if stop in new else new


def with_heap(scores, k):
    return heapq.nsmallest(k, range(len(scores)), key=lambda i: (-scores[i], i))  # noqa: F821


def last_index_first(scores, k):
    return heapq.nlargest(k, range(len(scores)), key=lambda i: (scores[i], i))  # noqa: F821


def lowest(scores, k):
    return heapq.nsmallest(k, range(len(scores)), key=lambda i: (scores[i], i))  # noqa: F821


RIGHT = {
    "exercise_1": [["retrieve", "prompt", "tune", "none", "retrieve"]],
    "exercise_2": [by_length],
    "exercise_3": [0.987],
    "exercise_4": [7.14, 7.1],
    "exercise_5": [with_heap],
}
WRONG = {
    "exercise_1": [["tune", "prompt", "tune", "none", "tune"], ["retrieve", "tune", "prompt", "prompt", "retrieve"]],
    "exercise_2": [for_ever, in_place, cut_afterwards],
    "exercise_3": [0.9, 0.988, 0.43],
    "exercise_4": [14, 700, 14.3],
    "exercise_5": [last_index_first, lowest],
}
