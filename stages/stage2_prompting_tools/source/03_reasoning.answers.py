"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""


def final_number(text):
    found = re.findall(r"answer is[:\s*$]*(-?\d[\d,]*(?:\.\d+)?)", text, re.IGNORECASE)  # noqa: F821  the lesson's
    return float(found[-1].replace(",", "")) if found else None


def by_parts(text):
    parts = re.split(r"answer is", text, flags=re.IGNORECASE)[1:]  # noqa: F821
    for part in reversed(parts):
        match = re.match(r"-?[\d,]*\.?\d+", part.lstrip(": *$"))  # noqa: F821
        if match:
            return float(match[0].replace(",", ""))
    return None


def last_anywhere(text):
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)  # noqa: F821
    return float(found[-1].replace(",", "")) if found else None


def first_mark(text):
    found = re.findall(r"answer is[:\s*$]*(-?\d[\d,]*(?:\.\d+)?)", text, re.IGNORECASE)  # noqa: F821
    return float(found[0].replace(",", "")) if found else None


def decided(given, n):
    ranks = [count for _, count in Counter(a for a in given if a is not None).most_common(2)] + [0, 0]  # noqa: F821
    return ranks[0] - ranks[1] > n - len(given)


def decided_by_trial(given, n):
    cast = [a for a in given if a is not None]
    best = max(set(cast), key=cast.count, default=None)
    if best is None:
        return False
    left = n - len(given)
    rivals = [cast.count(a) for a in set(cast) if a != best] + [0]
    return all(cast.count(best) > count + left for count in rivals)


def half_of_all(given, n):
    cast = [a for a in given if a is not None]
    return bool(cast) and max(map(cast.count, cast)) > n / 2


def ties_allowed(given, n):
    ranks = [count for _, count in Counter(a for a in given if a is not None).most_common(2)] + [0, 0]  # noqa: F821
    return ranks[0] - ranks[1] >= n - len(given)


RIGHT = {
    "exercise_1": [0.784, majority(0.7, 3)],  # noqa: F821
    "exercise_2": [final_number, by_parts],
    "exercise_3": [7],
    "exercise_4": [decided, decided_by_trial],
}
WRONG = {
    "exercise_1": [0.343, 0.49, 0.7],
    "exercise_2": [last_anywhere, first_mark, marked_number],  # noqa: F821
    "exercise_3": [6, 8, 5],
    "exercise_4": [half_of_all, ties_allowed],
}
