"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""

import re


def whole(answer, request):
    found = answer and re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", request)
    return answer if found else "none"


def by_hand(answer, request):
    start = request.find(answer) if answer else -1
    while start >= 0:
        around = request[:start][-1:] + request[start + len(answer) :][:1]
        if not any(character.isalnum() for character in around):
            return answer
        start = request.find(answer, start + 1)
    return "none"


def anywhere(answer, request):
    return answer if answer in request else "none"


def unescaped(answer, request):
    return answer if answer and re.search(rf"\b{answer}\b", request) else "none"


def any_case(answer, request):
    found = answer and re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", request, re.IGNORECASE)
    return answer if found else "none"


def split_words(answer, request):
    return answer if answer in request.split() else "none"


def stable_first(parts):
    ranks = ("never", "daily", "each request")
    return joined(*(text for text, changes in sorted(parts, key=lambda part: ranks.index(part[1]))))  # noqa: F821


def in_passes(parts):
    kept = [text.strip() for wanted in ("never", "daily", "each request") for text, how in parts if how == wanted]
    return "\n\n".join(text for text in kept if text)


def sorted_by_word(parts):
    return joined(*(text for text, changes in sorted(parts, key=lambda part: part[1])))  # noqa: F821


def gaps_left(parts):
    ranks = ("never", "daily", "each request")
    return "\n\n".join(text.strip() for text, changes in sorted(parts, key=lambda part: ranks.index(part[1])))


def unsorted(parts):
    return joined(*(text for text, _ in parts))  # noqa: F821


RIGHT = {
    "exercise_1": [31],
    "exercise_2": [0.289, 0.2890625],
    "exercise_3": [whole, by_hand],
    "exercise_4": [stable_first, in_passes],
}
WRONG = {
    "exercise_1": [29, 30, 27, 18],
    "exercise_2": [0.145, 0.5, 0.021],
    "exercise_3": [anywhere, unescaped, any_case, split_words],
    "exercise_4": [sorted_by_word, gaps_left, unsorted],
}
