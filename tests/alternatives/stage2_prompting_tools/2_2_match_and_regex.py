"""Docstrings by regular expressions on blocks, annotations by structural matching, TypedDicts read from their hints."""

import functools


def parse_docstring(doc):
    text = "\n".join(line.rstrip() for line in inspect.cleandoc(doc or "").splitlines())
    headers = "|".join(re.escape(name) for name in SECTIONS)
    pieces = re.split(rf"^({headers})$", text, flags=re.MULTILINE)
    description = re.sub(r"[ \t]*\n[ \t]*(?!\n)", "\n", pieces[0].strip())
    description = "\n\n".join(re.sub(r"\s+", " ", part).strip() for part in re.split(r"\n\n+", description))
    found = {}
    for header, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if header not in PARAMETERS:
            continue
        indented = re.match(r"(?:[ \t]+.*\n?|\n)*", body.lstrip("\n"))[0]
        lines = [line for line in indented.split("\n") if line]
        if not lines:
            continue
        margin = len(lines[0]) - len(lines[0].lstrip(" "))
        key = None
        for line in lines:
            match = re.match(rf" {{1,{margin}}}(\w+)(?: *\([^()]*\))? *:(?= |$)(.*)", line)
            if match:
                key = match[1]
                found[key] = match[2]
            elif key:
                found[key] += f" {line}"
    return description, {key: re.sub(r"\s+", " ", said).strip() for key, said in found.items()}


def annotation_schema(annotation):
    return describe(annotation, frozenset())


def describe(annotation, above):
    refuse = SchemaError(f"There is no schema for {annotation}. Choose a type that JSON has.")
    recur = functools.partial(describe, above=above)
    origin = typing.get_origin(annotation)
    args = typing.get_args(annotation)
    match origin:
        case None:
            pass
        case typing.Literal:
            return enumerated(list(args), refuse, floats=False)
        case typing.Annotated:
            notes = [note for note in args[1:] if isinstance(note, str)]
            return recur(args[0]) | ({"description": notes.pop()} if notes else {})
        case typing.Union | types.UnionType:
            return {"anyOf": [recur(arg) for arg in args]}
    if origin is list:
        return {"type": "array", "items": recur(args[0])}
    if origin is dict and args[0] is str:
        return {"type": "object", "additionalProperties": recur(args[1])}
    if origin is tuple:
        match args:
            case (inner, last) if last is ...:
                return {"type": "array", "items": recur(inner)}
            case (inner, *others) if all(other == inner for other in others):
                return {"type": "array", "items": recur(inner), "minItems": len(args), "maxItems": len(args)}
        raise refuse
    if origin is not None:
        raise refuse
    try:
        return {"type": NAMES[annotation]}
    except (KeyError, TypeError):
        pass
    if not isinstance(annotation, type):
        raise refuse
    if issubclass(annotation, enum.Enum):
        return enumerated([member.value for member in annotation], refuse, floats=True)
    if not (dataclasses.is_dataclass(annotation) or typing.is_typeddict(annotation)):
        raise refuse
    if annotation in above:
        raise SchemaError(f"{annotation.__name__} would never end. Flatten it.")
    try:
        hints = typing.get_type_hints(annotation, include_extras=True)
    except Exception as error:
        raise SchemaError(f"{annotation.__name__}: {error}") from error
    deeper = functools.partial(describe, above=above | {annotation})
    properties, required = {}, set()
    if typing.is_typeddict(annotation):
        for key, hint in hints.items():
            needed = key in annotation.__required_keys__
            if typing.get_origin(hint) is typing.Required:
                needed, hint = True, hint.__args__[0]
            elif typing.get_origin(hint) is typing.NotRequired:
                needed, hint = False, hint.__args__[0]
            properties[key] = deeper(hint)
            required |= {key} if needed else set()
    else:
        for name, field in annotation.__dataclass_fields__.items():
            if field._field_type is not dataclasses._FIELD or not field.init:
                continue
            schema = deeper(hints[name])
            if field.default is dataclasses.MISSING:
                required |= {name} if field.default_factory is dataclasses.MISSING else set()
            else:
                schema |= shown(field.default)
            properties[name] = schema
    return closed(properties, [name for name in properties if name in required])


def closed(properties, required):
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def enumerated(values, refuse, *, floats):
    kinds = {}
    for value in values:
        match value:
            case bool():
                kinds["boolean"] = True
            case int():
                kinds["integer"] = True
            case float() if floats:
                kinds["number"] = True
            case str():
                kinds["string"] = True
            case None:
                kinds["null"] = True
            case _:
                raise refuse
    if not kinds:
        raise refuse
    return {"enum": values} if len(kinds) > 1 else {"type": next(iter(kinds)), "enum": values}


NOTHING = object()


def shown(value):
    made = as_json(value)
    return {} if made is NOTHING else {"default": made}


def as_json(value):
    match value:
        case enum.Enum():
            return as_json(value.value)
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            items = [as_json(item) for item in value]
            return NOTHING if NOTHING in items else items
        case dict():
            items = {key: as_json(item) for key, item in value.items()}
            return NOTHING if NOTHING in items.values() or not all(isinstance(key, str) for key in items) else items
    return NOTHING


def tool_schema(function):
    name = function.__name__
    code = inspect.unwrap(function)
    description, said = parse_docstring(inspect.getdoc(code))
    if not description:
        raise SchemaError(f"What does {name} do? Its docstring does not say.")
    properties, required = {}, []
    parameters = dict(inspect.signature(code).parameters)
    if strangers := set(said) - set(parameters):
        raise SchemaError(f"{name}: the docstring speaks of {', '.join(sorted(strangers))}.")
    for key, parameter in parameters.items():
        problem = {
            inspect.Parameter.VAR_POSITIONAL: "takes any number of values",
            inspect.Parameter.VAR_KEYWORD: "takes any names",
            inspect.Parameter.POSITIONAL_ONLY: "has no name for the caller",
        }.get(parameter.kind)
        if parameter.annotation is inspect.Parameter.empty:
            problem = problem or "has no annotation"
        if problem:
            raise SchemaError(f"{name}: {key} {problem}.")
        try:
            carrier = type("Carrier", (), {"__annotations__": {"value": parameter.annotation}})
            hint = typing.get_type_hints(carrier, globalns=code.__globals__, include_extras=True)["value"]
            schema = annotation_schema(hint)
        except Exception as error:
            raise SchemaError(f"{name}: {key}: {error}") from error
        if said.get(key):
            schema = {"description": said[key], **schema}
        if parameter.default is inspect.Parameter.empty:
            required.append(key)
        else:
            schema.update(shown(parameter.default))
        properties[key] = schema
    return dict(name=name, description=description, input_schema=closed(properties, required))
