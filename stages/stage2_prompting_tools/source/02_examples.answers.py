"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""


def balanced(similarities, labels, m):
    taken, kept = {}, []
    for place in sorted(range(len(labels)), key=lambda place: (-similarities[place], place)):
        if taken.get(labels[place], 0) < m:
            taken[labels[place]] = taken.get(labels[place], 0) + 1
            kept.append(place)
    return kept[::-1]


def label_by_label(similarities, labels, m):
    kept = []
    for label in set(labels):
        own = [place for place, one in enumerate(labels) if one == label]
        kept += sorted(own, key=lambda place: -similarities[place])[:m]
    return sorted(kept, key=lambda place: (similarities[place], -place))


def most_similar_first(similarities, labels, m):
    return balanced(similarities, labels, m)[::-1]


def nearest_only(similarities, labels, m):
    count = m * len(set(labels))
    return sorted(range(len(labels)), key=lambda place: (-similarities[place], place))[:count][::-1]


def later_wins(similarities, labels, m):
    flipped = balanced(list(similarities)[::-1], list(labels)[::-1], m)
    return [len(labels) - 1 - place for place in flipped]


def asked(pieces, fixed, budget, count):
    return next((n for n in range(pieces + 1) if count(n) <= budget), None)


def halved(pieces, fixed, budget, count):
    low, high = 0, pieces + 1  # the first n that fits is in low..high
    while low < high:
        middle = (low + high) // 2
        if count(middle) <= budget:
            high = middle
        else:
            low = middle + 1
    return low if low <= pieces else None


def strictly_below(pieces, fixed, budget, count):
    return next((n for n in range(pieces + 1) if count(n) < budget), None)


def all_or_nothing(pieces, fixed, budget, count):
    return next((n for n in (0, pieces) if count(n) <= budget), None)


def counts_twice(pieces, fixed, budget, count):
    return (
        next((n for n in range(pieces + 1) if count(n) <= budget and count(n) <= budget), None)
        if (count(pieces) <= budget)
        else None
    )


RIGHT = {
    "exercise_1": [0.596, 0.5963],
    "exercise_2": [0.308, 0.3077],
    "exercise_3": [balanced, label_by_label],
    "exercise_4": [asked, halved],
}
WRONG = {
    "exercise_1": [4.0, 0.444, 0.894],
    "exercise_2": [0.8, 0.889, 0.692],
    "exercise_3": [most_similar_first, nearest_only, later_wins],
    "exercise_4": [strictly_below, all_or_nothing, counts_twice],
}
