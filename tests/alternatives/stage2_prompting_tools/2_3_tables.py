"""json.loads on growing pieces of the text, a table of keywords for `validate`, a while loop in `ask`."""

import operator


def strictly(piece):
    def no_constant(name):
        raise ValueError(name)

    return json.loads(piece, parse_constant=no_constant)


def extract_json(text):
    try:
        return strictly(text)
    except ValueError:
        pass
    except RecursionError:
        raise ValueError("It is nested too deep.") from None
    inside = None
    for line in [*text.splitlines(keepends=True)]:
        fence = line.startswith("```")
        if fence and inside is None:
            inside = ""
        elif fence:
            try:
                return strictly(inside)
            except (ValueError, RecursionError):
                inside = None
        elif inside is not None:
            inside += line
    for start in (i for i in range(len(text)) if text[i] in "[{"):
        closing = "]" if text[start] == "[" else "}"
        end = start
        while (end := text.find(closing, end + 1)) >= 0:
            try:
                return strictly(text[start : end + 1])
            except ValueError:
                continue
            except RecursionError:
                raise ValueError("It is nested too deep.") from None
    raise ValueError("There is no JSON.")


def equal(a, b):
    if type(a) is bool or type(b) is bool:
        return type(a) is type(b) and a == b
    if isinstance(a, (list, dict)) and type(a) is type(b) and len(a) == len(b):
        keys = range(len(a)) if isinstance(a, list) else a
        return all((isinstance(a, list) or key in b) and equal(a[key], b[key]) for key in keys)
    return a == b and not isinstance(a, (list, dict))


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


KINDS = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "number": is_number,
    "integer": lambda value: is_number(value) and value % 1 == 0,
}
LIMITS = {
    "minimum": ("number", None, operator.ge),
    "maximum": ("number", None, operator.le),
    "minLength": ("string", len, operator.ge),
    "maxLength": ("string", len, operator.le),
    "minItems": ("array", len, operator.ge),
    "maxItems": ("array", len, operator.le),
}


def validate(value, schema):
    return _validate(value, schema, "")


def _validate(value, schema, path):
    if schema is True or schema == {}:
        return []
    if schema is False:
        return [Problem(path, "must not be here")]
    own, inside = [], []

    def add(message, at=path):
        own.append(Problem(at, message))

    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(KINDS[name](value) for name in names):
            return [Problem(path, "must be of type " + " or ".join(names))]
    if "enum" in schema and not [one for one in schema["enum"] if equal(one, value)]:
        add("must be one of " + ", ".join(json.dumps(one) for one in schema["enum"]))
    if "const" in schema and not equal(schema["const"], value):
        add("must be " + json.dumps(schema["const"]))
    if "anyOf" in schema and min(len(_validate(value, one, path)) for one in schema["anyOf"]) > 0:
        add("must fit one of the alternatives")
    for keyword, (kind, measure, holds) in LIMITS.items():
        if (
            keyword in schema
            and KINDS[kind](value)
            and not holds(measure(value) if measure else value, schema[keyword])
        ):
            add(f"{keyword} is {schema[keyword]}")
    if "pattern" in schema and isinstance(value, str) and not re.findall(schema["pattern"], value):
        add("must match " + schema["pattern"])
    if isinstance(value, list):
        for place, item in enumerate(value):
            inside += _validate(item, schema.get("items", True), f"{path}/{place}")
    if isinstance(value, dict):
        at = {name: path + "/" + name.replace("~", "~0").replace("/", "~1") for name in value}
        for name in schema.get("required", []):
            if name not in at:
                add("must be given", path + "/" + name.replace("~", "~0").replace("/", "~1"))
        for name, place in at.items():
            rules = schema.get("properties", {})
            inside += _validate(
                value[name], rules[name] if name in rules else schema.get("additionalProperties", True), place
            )
    return own + inside


def ask(client, model, messages, schema, *, system="", retries=2, max_tokens=500):
    request = {
        "model": model,
        "max_tokens": max_tokens,
        "system": instructions(system, schema),
        "messages": [*messages],
    }
    answers = 0
    while True:
        message = client.messages.create(**request)
        answers += 1
        text = "".join(getattr(block, "text", "") for block in message.content)
        problems = []
        match message.stop_reason:
            case "refusal":
                raise StructuredError([Problem("", "The request was refused.")], text, answers)
            case "max_tokens":
                problems.append(Problem("", f"Only {max_tokens} tokens are allowed."))
            case _:
                try:
                    found = extract_json(text)
                except ValueError:
                    problems.append(Problem("", "I found no JSON."))
                else:
                    problems += validate(found, schema)
                    if problems == []:
                        return found
        if answers == retries + 1:
            raise StructuredError(problems, text, answers)
        request["messages"] = [
            *request["messages"],
            {"role": "assistant", "content": NO_ANSWER if text.isspace() or not text else text},
            {"role": "user", "content": "; ".join(f"{problem.path} {problem.message}" for problem in problems)},
        ]
