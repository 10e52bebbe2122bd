"""Docstrings by a small state machine, annotations by a chain of handlers, parameters through inspect with eval_str."""

import collections.abc


def parse_docstring(doc):
    state, margin, current = "description", 0, None
    blocks, found = [[]], {}
    for raw in inspect.cleandoc(doc if doc is not None else "").split("\n"):
        line = raw.rstrip()
        inner = line.lstrip()
        depth = len(line) - len(inner)
        if depth == 0 and line in SECTIONS:
            state, margin, current = ("parameters" if line in PARAMETERS else "other"), 0, None
        elif state == "description":
            blocks[-1].extend(inner.split())
            if not inner:
                blocks.append([])
        elif not inner:
            continue
        elif depth == 0:
            state = "other"
        elif state == "parameters":
            margin = margin or depth
            head, colon, tail = inner.partition(":")
            head = head.strip()
            if head.endswith(")") and head.count("(") == 1 == head.count(")"):
                head = head[: head.index("(")].strip()
            looks = bool(colon) and (not tail or tail[0] == " ") and head.replace("_", "a").isalnum()
            if looks and depth <= margin:
                current = head
                found[current] = tail.split()
            elif current is not None:
                found[current].extend(inner.split())
    description = "\n\n".join(" ".join(block) for block in blocks if block)
    return description, {name: " ".join(said) for name, said in found.items()}


def annotation_schema(annotation):
    return Describer([]).describe(annotation)


class Describer:
    def __init__(self, path):
        self.path = path

    def describe(self, annotation):
        for handler in (self.plain, self.choices, self.composed, self.classes):
            schema = handler(annotation)
            if schema is not None:
                return schema
        raise SchemaError(f"No schema for {annotation!r}; use another type.")

    def plain(self, annotation):
        for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")):
            if annotation is kind:
                return dict(type=name)
        if annotation is None or annotation is type(None):
            return dict(type="null")
        return None

    def choices(self, annotation):
        if typing.get_origin(annotation) is typing.Literal:
            values, kinds = list(typing.get_args(annotation)), {str, int, bool, type(None)}
        elif isinstance(annotation, type) and issubclass(annotation, enum.Enum):
            values, kinds = [member.value for member in annotation], {str, int, bool, type(None), float}
        else:
            return None
        if not values or not {type(value) for value in values} <= kinds:
            raise SchemaError(f"{annotation!r} has values that JSON does not know.")
        schema = {"enum": values}
        if all(type(value) is type(values[0]) for value in values):
            schema["type"] = self.plain(type(values[0]))["type"]
        return schema

    def composed(self, annotation):
        head, args = typing.get_origin(annotation), typing.get_args(annotation)
        if hasattr(annotation, "__metadata__"):
            schema = self.describe(annotation.__origin__)
            for note in annotation.__metadata__:
                if isinstance(note, str):
                    schema["description"] = note
            return schema
        if head is typing.Union or isinstance(annotation, types.UnionType):
            return dict(anyOf=list(map(self.describe, args)))
        if head is list:
            return dict(type="array", items=self.describe(*args))
        if head is tuple and args:
            if args[1:] == (...,):
                return dict(type="array", items=self.describe(args[0]))
            if len(set(map(repr, args))) > 1:
                raise SchemaError(f"{annotation!r}: items of several types")
            return dict(type="array", items=self.describe(args[0]), minItems=len(args), maxItems=len(args))
        if head is dict and args[0] is str:
            return dict(type="object", additionalProperties=self.describe(args[1]))
        return None

    def classes(self, annotation):
        if not isinstance(annotation, type) or typing.get_origin(annotation) is not None:
            return None
        record = dataclasses.is_dataclass(annotation)
        if not record and not typing.is_typeddict(annotation):
            return None
        if annotation in self.path:
            raise SchemaError(f"{annotation.__name__} is inside itself")
        inner = Describer([*self.path, annotation])
        try:
            hints = typing.get_type_hints(annotation, include_extras=True)
        except NameError as error:
            raise SchemaError(str(error)) from error
        schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
        if record:
            for field in dataclasses.fields(annotation):
                if field.init:
                    made = inner.describe(hints[field.name])
                    if field.default is not dataclasses.MISSING:
                        made.update(default_of(field.default))
                    elif field.default_factory is dataclasses.MISSING:
                        schema["required"].append(field.name)
                    schema["properties"][field.name] = made
            return schema
        must = set(annotation.__required_keys__)
        for key, hint in hints.items():
            text = str(typing.get_origin(hint) or "")
            if text.endswith("Required"):
                (must.discard if text.endswith("NotRequired") else must.add)(key)
                hint = typing.get_args(hint)[0]
            schema["properties"][key] = inner.describe(hint)
        schema["required"] = [key for key in hints if key in must]
        return schema


def default_of(value):
    def fine(item):
        if isinstance(item, enum.Enum):
            return fine(item.value)
        if isinstance(item, collections.abc.Mapping):
            if not all(isinstance(key, str) for key in item):
                raise ValueError
            return {key: fine(inner) for key, inner in item.items()}
        if isinstance(item, (list, tuple)):
            return [fine(inner) for inner in item]
        if item is None or isinstance(item, (str, int, float)):
            return item
        raise ValueError

    try:
        return {"default": fine(value)}
    except ValueError:
        return {}


def tool_schema(function):
    inner = function
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    title = inner.__name__
    description, said = parse_docstring(inner.__doc__)
    if description == "":
        raise SchemaError(f"{title} needs a docstring.")
    signature = inspect.signature(function)
    for name in said:
        if name not in signature.parameters:
            raise SchemaError(f"{title}: there is no parameter {name}.")
    properties, required = {}, []
    for name, parameter in signature.parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise SchemaError(f"{title}: {name} cannot be given by name.")
        if parameter.annotation is parameter.empty:
            raise SchemaError(f"{title}: {name} lacks a type.")

        def holder():
            pass

        holder.__annotations__ = {name: inner.__annotations__[name]}
        try:
            hint = typing.get_type_hints(holder, inner.__globals__, include_extras=True)[name]
            properties[name] = annotation_schema(hint)
        except (SchemaError, NameError, SyntaxError) as error:
            raise SchemaError(f"{title}: {name}: {error}") from error
        if said.get(name) and "description" not in properties[name]:
            properties[name]["description"] = said[name]
        if parameter.default is parameter.empty:
            required.append(name)
        else:
            properties[name].update(default_of(parameter.default))
    return {
        "description": description,
        "input_schema": {
            "additionalProperties": False,
            "required": required,
            "properties": properties,
            "type": "object",
        },
        "name": title,
    }
