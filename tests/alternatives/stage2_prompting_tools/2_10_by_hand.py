"""The command line read word by word; figures looked up by walking through each result."""

import math
import os


def parse(argv):
    words, given, question = list(argv), {}, None
    flags = {"--yes": "yes", "--trace": "trace", "--json": "json"}
    valued = ("--model", "--max-turns", "--units", "--system", "--prices", "--notes")
    only_words = False
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if only_words or word == "-" or not word.startswith("-"):
            if question is not None:
                raise UsageError(f"a second question: {word}")
            question = word
        elif word == "--":
            only_words = True
        elif word in ("--help", "-h"):
            print("usage:", PROGRAM, "[options] QUESTION")
            for option in (*flags, *valued):
                print("  ", option)
            raise SystemExit(0)
        elif word in flags:
            given[flags[word]] = True
        elif name in valued:
            if not equals:
                if not words:
                    raise UsageError(f"{name} needs a value")
                value = words.pop(0)
            given[name[2:].replace("-", "_")] = _checked(name, value)
        else:
            raise UsageError(f"{name} is unknown")
    if question == "-":
        question = "".join(sys.stdin)
    question = _whole(question or "")
    if not question:
        raise UsageError("the question is missing")
    return Options(question, **given)


def _checked(name, value):
    if name == "--max-turns":
        try:
            if int(value) > 0:
                return int(value)
        except ValueError:
            pass
        raise UsageError(f"{name} {value}: not an integer of at least 1")
    if name == "--units":
        if value in UNITS:
            return value
        raise UsageError(f"{name} {value}: not one of {', '.join(UNITS)}")
    if name == "--system":
        if value.strip():
            return _whole(value)
        raise UsageError(f"{name} is blank")
    if name == "--prices":
        parts = value.split(",")
        try:
            numbers = [float(part) for part in parts]
        except ValueError:
            numbers = []
        if len(numbers) == 2 and all(math.isfinite(number) and number >= 0 for number in numbers):
            return tuple(numbers)
        raise UsageError(f"{name} {value}: not two prices")
    if name == "--notes":
        if value and os.path.isdir(value):
            return Path(value)
        raise UsageError(f"{name} {value}: no such folder")
    return value


def _whole(text):
    return "".join("?" if "\ud800" <= character <= "\udfff" else character for character in text).strip()


def cite(answer, results):
    lines = []
    for content in results:
        found = _citable(content)
        if not found:
            continue
        source = found.pop("source")
        missing = False
        for value in found.values():
            figure, space, unit = str(value).partition(" ") if isinstance(value, str) else ("", "", "")
            read = numbers(figure)
            if list(read) != [figure] or not space or not unit or unit[0].isspace():
                continue
            if unit not in answer or not any(read[figure] == other for other in numbers(answer).values()):
                missing = True
        text = f"{SOURCE}{source}"
        if missing:
            text += " (" + "; ".join(": ".join([key.replace("_", " "), str(found[key])]) for key in found) + ")"
        if missing or source.lower() not in answer.lower():
            text = " ".join(text.split())
            if text not in lines:
                lines.append(text)
    return lines


def unverified(answer, known):
    found = []
    for written, value in numbers(answer).items():
        if not any(value == other for text in known for other in numbers(text).values()):
            found.append(written)
    return found
