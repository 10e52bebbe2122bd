"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""

import hashlib
import re


def argument_notes(doc):
    notes, name, base = {}, None, None
    for line in doc.partition("Args:\n")[2].splitlines():
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        if indent == 0:
            break
        base = indent if base is None else base
        if indent > base:
            notes[name] += " " + line.strip()
        else:
            head, _, words = line.strip().partition(": ")
            name = head.partition(" (")[0]
            notes[name] = words
    return notes


def notes_by_pattern(doc):
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", doc, re.MULTILINE)
    if section is None:
        return {}
    body = re.sub(r"\n\s{8,}", " ", section[1])
    return {m[1]: m[2].strip() for m in re.finditer(r"^\s{4}(\w+)(?: \([^)]*\))?: (.*)$", body, re.MULTILINE)}


def first_lines_only(doc):
    notes = {}
    for line in doc.partition("Args:\n")[2].partition("\n\n")[0].splitlines():
        if ": " in line:
            head, _, words = line.strip().partition(": ")
            notes[head.partition(" (")[0]] = words
    return notes


def into_the_next_section(doc):
    return argument_notes(doc.replace("\nReturns:", "\n    Returns:"))


def answer_all(blocks, run, limit):
    def one(block):
        failed = True
        try:
            content, failed = with_daemon(lambda: run(block.name, block.input), limit), False  # noqa: F821
        except TimeoutError:
            content = f"{block.name} did not answer within {limit:g} s. What came of it is not known."
        except Exception as error:
            content = str(error) or type(error).__name__
        return {"type": "tool_result", "tool_use_id": block.id, "content": content, "is_error": failed}

    with ThreadPoolExecutor(len(blocks)) as pool:  # noqa: F821
        return {"role": "user", "content": list(pool.map(one, blocks))}


def one_after_the_other(blocks, run, limit):
    def one(block):
        try:
            return {"type": "tool_result", "tool_use_id": block.id, "content": run(block.name, block.input)}
        except Exception as error:
            return {"type": "tool_result", "tool_use_id": block.id, "content": str(error), "is_error": True}

    return {"role": "user", "content": [one(block) for block in blocks]}


def as_they_come(blocks, run, limit):
    message = answer_all(blocks, run, limit)
    return {**message, "content": sorted(message["content"], key=lambda result: result["is_error"])}


def words_lost(blocks, run, limit):
    message = answer_all(blocks, run, limit)
    for result in message["content"]:
        if result["is_error"]:
            result["content"] = "Error"
    return message


def intention_key(conversation, name, arguments):
    written = json.dumps([conversation, name, arguments], sort_keys=True)  # noqa: F821
    return hashlib.sha256(written.encode()).hexdigest()


def key_in_clear(conversation, name, arguments):
    return json.dumps({"c": conversation, "n": name, "a": sorted(arguments.items())})  # noqa: F821


def unsorted_key(conversation, name, arguments):
    return json.dumps([conversation, name, arguments])  # noqa: F821


def joined_key(conversation, name, arguments):
    return ",".join([conversation, name, *(f"{key}={value}" for key, value in sorted(arguments.items()))])


RIGHT = {
    "exercise_1": [15.5],
    "exercise_2": [argument_notes, notes_by_pattern],
    "exercise_3": [answer_all],
    "exercise_4": [intention_key, key_in_clear],
}
WRONG = {
    "exercise_1": [12, 12.5, 13.5, 19.5],
    "exercise_2": [first_lines_only, into_the_next_section],
    "exercise_3": [one_after_the_other, as_they_come, words_lost],
    "exercise_4": [unsorted_key, joined_key],
}
