"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""


def trim(messages, budget, count):
    kept = exchanges_of(messages)  # noqa: F821  the lesson's
    while len(kept) > 1 and count([m for exchange in kept for m in exchange]) > budget:
        kept = kept[1:]
    return [message for exchange in kept for message in exchange]


def trim_from_the_end(messages, budget, count):
    kept = []
    for exchange in reversed(exchanges_of(messages)):  # noqa: F821
        if kept and count(exchange + kept) > budget:
            break
        kept = exchange + kept
    return kept


def by_messages(messages, budget, count):
    kept = list(messages)
    while len(kept) > 1 and count(kept) > budget:
        kept = kept[1:]
    return kept


def loses_the_question(messages, budget, count):
    kept = exchanges_of(messages)  # noqa: F821
    while kept and count([m for exchange in kept for m in exchange]) > budget:
        kept = kept[1:]
    return [message for exchange in kept for message in exchange]


def ids(message, kind, key):
    content = message["content"]
    return [] if isinstance(content, str) else [block[key] for block in content if block["type"] == kind]


def faults_of(messages):
    faults = []
    for place, message in enumerate(messages):
        following = messages[place + 1] if place + 1 < len(messages) else {"content": ""}
        answered = ids(following, "tool_result", "tool_use_id")
        faults += [i for i in ids(message, "tool_use", "id") if answered.count(i) != 1]
    return faults


def anywhere_later(messages):
    answered = [i for message in messages for i in ids(message, "tool_result", "tool_use_id")]
    return [i for message in messages for i in ids(message, "tool_use", "id") if answered.count(i) != 1]


def twice_is_fine(messages):
    faults = []
    for message, following in zip(messages, [*messages[1:], {"content": ""}], strict=True):
        answered = set(ids(following, "tool_result", "tool_use_id"))
        faults += [i for i in ids(message, "tool_use", "id") if i not in answered]
    return faults


RIGHT = {
    "exercise_1": [0.0095],
    "exercise_2": [0.784],
    "exercise_3": [trim, trim_from_the_end],
    "exercise_4": [faults_of],
}
WRONG = {
    "exercise_1": [0.0046, 0.0045, 0.007],
    "exercise_2": [0.7, 0.84, 0.735],
    "exercise_3": [by_messages, loses_the_question],
    "exercise_4": [anywhere_later, twice_is_fine],
}
