"""A JSON parser of its own for prose, a list that grows for the problems, recursion in `ask`."""

import math


def extract_json(text):
    whole = text.strip()
    lines = text.split("\n")
    blocks, opened = [], None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if opened is not None:
            blocks.append("\n".join(lines[opened + 1 : number]))
            opened = None
        elif "`" not in line[3:]:
            opened = number
    for piece in (whole, *blocks):
        piece = piece.strip()
        try:
            value, end = read_value(piece, 0, 0)
        except NotJson:
            continue
        if end == len(piece):
            return value
    for place, letter in enumerate(text):
        if letter == "{" or letter == "[":
            try:
                return read_value(text, place, 0)[0]
            except NotJson as error:
                if error.args == ("deep",):
                    break
    raise ValueError("nothing that is JSON")


class NotJson(Exception):
    pass


SPACE = re.compile(r"[ \t\r\n]*")
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')


def skip(text, place):
    return SPACE.match(text, place).end()


def read_value(text, place, depth):
    if depth > 200:
        raise NotJson("deep")
    for word, value in (("true", True), ("false", False), ("null", None)):
        if text.startswith(word, place):
            return value, place + len(word)
    letter = text[place : place + 1]
    if letter == '"':
        match = STRING.match(text, place)
        if match is None:
            raise NotJson("string")
        return json.loads(match[0]), match.end()
    if letter in ("{", "["):
        return read_container(text, place, depth, letter)
    match = NUMBER.match(text, place)
    if match is None:
        raise NotJson("value")
    return (float if match[1] or match[2] else int)(match[0]), match.end()


def read_container(text, place, depth, letter):
    close = "}" if letter == "{" else "]"
    made = {} if letter == "{" else []
    place = skip(text, place + 1)
    if text[place : place + 1] == close:
        return made, place + 1
    while True:
        if letter == "{":
            if text[place : place + 1] != '"':
                raise NotJson("key")
            key, place = read_value(text, place, depth + 1)
            place = skip(text, place)
            if text[place : place + 1] != ":":
                raise NotJson("colon")
            place = skip(text, place + 1)
            made[key], place = read_value(text, place, depth + 1)
        else:
            item, place = read_value(text, place, depth + 1)
            made.append(item)
        place = skip(text, place)
        end = text[place : place + 1]
        if end == close:
            return made, place + 1
        if end != ",":
            raise NotJson("comma")
        place = skip(text, place + 1)


def validate(value, schema):
    problems = []
    look(value, schema, (), problems)
    return [Problem("".join("/" + step for step in steps), message) for steps, message in problems]


def kinds_of(value):
    if value is None:
        return {"null"}
    if value is True or value is False:
        return {"boolean"}
    if isinstance(value, str):
        return {"string"}
    if isinstance(value, list):
        return {"array"}
    if isinstance(value, dict):
        return {"object"}
    whole = isinstance(value, int) or (math.isfinite(value) and value.is_integer())
    return {"number", "integer"} if whole else {"number"}


def canonical(value):
    """A string that is the same for equal JSON values."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{','.join(map(canonical, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    return str(int(value)) if value == int(value) else repr(float(value))


def look(value, schema, steps, problems):
    if isinstance(schema, bool):
        if not schema:
            problems.append((steps, "Nothing may stand here."))
        return
    kinds = kinds_of(value)
    wanted = schema.get("type")
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if wanted is not None and kinds.isdisjoint(wanted):
        problems.append((steps, f"The type must be {', '.join(wanted)}."))
        return
    for key, choices in (("enum", schema.get("enum")), ("const", [schema.get("const")])):
        if key in schema and canonical(value) not in map(canonical, choices):
            problems.append((steps, "Allowed: " + " | ".join(map(json.dumps, choices))))
    if "anyOf" in schema:
        fits = False
        for one in schema["anyOf"]:
            trial = []
            look(value, one, steps, trial)
            fits = fits or not trial
        if not fits:
            problems.append((steps, "No alternative fits."))
    measured = {
        "number": (value, "minimum", "maximum"),
        "string": (sum(1 for _ in value) if isinstance(value, str) else 0, "minLength", "maxLength"),
        "array": (len(value) if isinstance(value, list) else 0, "minItems", "maxItems"),
    }
    for kind, (size, low, high) in measured.items():
        if kind in kinds:
            if low in schema and not size >= schema[low]:
                problems.append((steps, f"{low}: {schema[low]}"))
            if high in schema and not size <= schema[high]:
                problems.append((steps, f"{high}: {schema[high]}"))
    if "string" in kinds and "pattern" in schema and re.compile(schema["pattern"]).search(value) is None:
        problems.append((steps, f"It must match {schema['pattern']}"))
    if "array" in kinds and "items" in schema:
        for number in range(len(value)):
            look(value[number], schema["items"], (*steps, str(number)), problems)
    if "object" in kinds:

        def step(name):
            return (*steps, re.sub("[~/]", lambda match: "~0" if match[0] == "~" else "~1", name))

        problems.extend((step(name), "It is missing.") for name in schema.get("required", ()) if name not in value)
        for name in value:
            rule = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
            look(value[name], rule, step(name), problems)


def ask(client, model, messages, schema, *, system="", retries=2, max_tokens=500):
    return attempt(client, model, tuple(messages), schema, instructions(system, schema), retries, max_tokens, 1)


def attempt(client, model, turns, schema, system, left, limit, number):
    reply = client.messages.create(model=model, messages=list(turns), system=system, max_tokens=limit)
    text = ""
    for block in reply.content:
        if isinstance(block, anthropic.types.TextBlock):
            text += block.text
    if reply.stop_reason == "refusal":
        raise StructuredError([Problem(path="", message="It refused.")], text, number)
    problems, value = look_at(text, schema, reply.stop_reason, limit)
    if not problems:
        return value
    if left <= 0:
        raise StructuredError(problems, text, number)
    listed = "".join(f"\n* at {problem.path!r}: {problem.message}" for problem in problems)
    repair = (
        {"role": "assistant", "content": [{"type": "text", "text": text.strip() and text or NO_ANSWER}]},
        {"role": "user", "content": [{"type": "text", "text": "Correct your answer." + listed}]},
    )
    return attempt(client, model, turns + repair, schema, system, left - 1, limit, number + 1)


def look_at(text, schema, reason, limit):
    if reason == "max_tokens":
        return [Problem("", f"Longer than {limit} tokens.")], None
    try:
        value = extract_json(text)
    except ValueError:
        return [Problem("", "There is no JSON in it.")], None
    return validate(value, schema), value
