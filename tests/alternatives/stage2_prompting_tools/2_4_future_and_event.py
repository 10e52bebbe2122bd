"""A future that a plain thread fulfils, an encoder class, names matched by hand."""

import string
from concurrent.futures import Future, wait


class _Encoder(json.JSONEncoder):
    def default(self, o):
        if hasattr(o, "__dataclass_fields__") and not isinstance(o, type):
            return {name: getattr(o, name) for name in o.__dataclass_fields__}
        if isinstance(o, (datetime.datetime, datetime.date, datetime.time)):
            return o.isoformat()
        return super().default(o)


def _safe(text, most):
    kept = "".join("?" if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)
    if len(kept) <= most:
        return kept
    return "".join([kept[:most], CUT.format(total=len(kept), shown=most)])


class Registry:
    def register(self, function_or_tool, *, read_only=True, timeout=10.0):
        tool = function_or_tool
        if type(tool) is not Tool:
            parts = tool_schema(function_or_tool)
            tool = Tool(
                parts["name"], parts["description"], parts["input_schema"], function_or_tool, read_only, timeout
            )
        allowed = set(string.ascii_letters + string.digits + "_-")
        fine = 1 <= len(tool.name) <= 64 and set(tool.name) <= allowed
        if not fine or tool.name in [other.name for other in self.tools.values()]:
            raise ValueError(f"not a free name: {tool.name}")
        if not (math.isfinite(tool.timeout) and tool.timeout > 0):
            raise ValueError("time-out")
        self.tools |= {tool.name: tool}
        return tool

    def definitions(self):
        return [
            json.loads(json.dumps({k: getattr(t, k) for k in ("name", "description", "input_schema")}))
            for t in self.tools.values()
        ]

    def run(self, name, arguments):
        answer = self._run(name, arguments)
        return ToolResult(_safe(answer.content, self.max_chars), answer.is_error)

    def _run(self, name, arguments):
        if not isinstance(name, str) or name not in self.tools:
            close = difflib.get_close_matches(str(name), list(self.tools)) or list(self.tools)
            return ToolResult(f"Unknown tool {name!r}; known: {close}", True)
        tool = self.tools[name]
        if type(arguments) is not dict:
            return ToolResult("An object of arguments was expected.", True)
        problems = validate(arguments, tool.input_schema)
        if problems:
            return ToolResult("; ".join(f"{p.message} (at {p.path})" for p in problems), True)
        future = Future()
        given = json.loads(json.dumps(arguments))

        def work():
            try:
                future.set_result(tool.function(**given))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        done, _ = wait([future], timeout=min(tool.timeout, threading.TIMEOUT_MAX))
        if not done:
            note = "" if tool.read_only else UNKNOWN_OUTCOME
            return ToolResult(f"Time-out: no answer from {name} after {tool.timeout:g} seconds. {note}", True)
        error = future.exception()
        if error is not None:
            try:
                words = str(error)
            except Exception:
                words = ""
            if isinstance(error, ToolError):
                return ToolResult(words if words.strip() else NO_OUTPUT, True)
            return ToolResult(f"{name} raised {error.__class__.__name__}({words})", True)
        value = future.result()
        match value:
            case ToolResult():
                return value
            case None:
                return ToolResult(NO_OUTPUT)
            case str():
                return ToolResult(NO_OUTPUT if value.isspace() or value == "" else value)
        try:
            return ToolResult(json.dumps(value, cls=_Encoder, ensure_ascii=False, allow_nan=False, indent=1))
        except (TypeError, ValueError, RecursionError) as error:
            return ToolResult(f"{name}: {error}", True)
