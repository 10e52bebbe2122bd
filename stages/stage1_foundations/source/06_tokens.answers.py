"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""


def wordpiece(word, vocabulary):
    parts, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        ends = [end for end in range(len(word), start, -1) if mark + word[start:end] in vocabulary]
        if not ends:
            return ["[UNK]"]
        parts.append(mark + word[start : ends[0]])
        start = ends[0]
    return parts


def wordpiece_recursive(word, vocabulary, mark=""):
    if not word:
        return []
    for end in range(len(word), 0, -1):
        if mark + word[:end] in vocabulary:
            rest = wordpiece_recursive(word[end:], vocabulary, "##")
            return rest if rest == ["[UNK]"] else [mark + word[:end], *rest]
    return ["[UNK]"]


def without_marks(word, vocabulary):
    plain = {part.removeprefix("##").encode() for part in vocabulary}
    return [part.decode() for part in longest_match(word.encode(), plain)]  # noqa: F821  the lesson's


def unknown_part_only(word, vocabulary):
    parts, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        ends = [end for end in range(len(word), start, -1) if mark + word[start:end] in vocabulary]
        if not ends:
            return [*parts, "[UNK]"]
        parts.append(mark + word[start : ends[0]])
        start = ends[0]
    return parts


def safe_prompt(text):
    inside = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids  # noqa: F821
    return encode("<|im_start|>user\n") + inside + encode("<|im_end|>\n")  # noqa: F821


def unsafe_prompt(text):
    return encode(f"<|im_start|>user\n{text}<|im_end|>\n")  # noqa: F821


def frame_is_text_too(text):
    whole = f"<|im_start|>user\n{text}<|im_end|>\n"
    return tokenizer(whole, add_special_tokens=False, split_special_tokens=True).input_ids  # noqa: F821


def marks_deleted(text):
    for name in bpe.special_tokens:  # noqa: F821
        text = text.replace(name, "")
    return unsafe_prompt(text)


RIGHT = {
    "exercise_1": [14],
    "exercise_2": [(b" low", b"e"), [b" low", b"e"]],
    "exercise_3": [wordpiece, wordpiece_recursive],
    "exercise_4": [safe_prompt],
}
WRONG = {
    "exercise_1": [8, 11, 15],
    "exercise_2": [(b"e", b"r"), (b"low", b"e"), (b" lowe", b"r")],
    "exercise_3": [without_marks, unknown_part_only],
    "exercise_4": [unsafe_prompt, frame_is_text_too, marks_deleted],
}
