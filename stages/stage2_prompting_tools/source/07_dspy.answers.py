"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""

import re


def near(texts, least):
    words = {text: set(re.findall(r"\w+", text.casefold())) for text in texts}
    pairs = itertools.combinations(texts, 2)  # noqa: F821  the lesson's
    return [(a, b) for a, b in pairs if len(words[a] & words[b]) / len(words[a] | words[b]) >= least]


def near_in_loops(texts, least):
    found = []
    for i, first in enumerate(texts):
        for second in texts[i + 1 :]:
            a, b = ("".join(c if c.isalnum() else " " for c in text.lower()).split() for text in (first, second))
            common = len([word for word in set(a) if word in b])
            if common >= least * (len(set(a)) + len(set(b)) - common):
                found.append((first, second))
    return found


def near_with_marks(texts, least):
    words = {text: set(text.casefold().split()) for text in texts}
    pairs = itertools.combinations(texts, 2)  # noqa: F821
    return [(a, b) for a, b in pairs if len(words[a] & words[b]) / len(words[a] | words[b]) >= least]


def near_of_the_shorter(texts, least):
    words = {text: set(re.findall(r"\w+", text.casefold())) for text in texts}
    pairs = itertools.combinations(texts, 2)  # noqa: F821
    return [(a, b) for a, b in pairs if len(words[a] & words[b]) / min(len(words[a]), len(words[b])) >= least]


def verdict(before, after):
    pairs = list(zip(before, after, strict=True))
    won, lost = sum(b > a for a, b in pairs), sum(a > b for a, b in pairs)
    p = mcnemar(won, lost)  # noqa: F821
    return {"won": won, "lost": lost, "p": p, "says": "no lift" if p >= 0.05 else "better" if won > lost else "worse"}


def verdict_in_numpy(before, after):
    if len(before) != len(after):
        raise ValueError("These are not the same requests.")
    change = np.sign(np.array(after) - np.array(before))  # noqa: F821
    won, lost = int((change > 0).sum()), int((change < 0).sum())
    p = mcnemar(won, lost)  # noqa: F821
    return {"won": won, "lost": lost, "p": p, "says": ("worse", "better")[won > lost] if p < 0.05 else "no lift"}


def verdict_by_the_sum(before, after):
    got = verdict(before, after)
    got["says"] = "better" if sum(after) > sum(before) else "worse" if sum(after) < sum(before) else "no lift"
    return got


def verdict_of_any_lengths(before, after):
    least = min(len(before), len(after))
    return verdict(before[:least], after[:least])


RIGHT = {
    "exercise_1": [[4, 2, 3], (4, 2, 3)],
    "exercise_2": [near, near_in_loops],
    "exercise_3": [443],
    "exercise_4": [verdict, verdict_in_numpy],
}
WRONG = {
    "exercise_1": [[3, 2, 4], [4, 1, 4], [3, 1, 3]],
    "exercise_2": [near_with_marks, near_of_the_shorter],
    "exercise_3": [24, 96, 1000, 442],
    "exercise_4": [verdict_by_the_sum, verdict_of_any_lengths],
}
