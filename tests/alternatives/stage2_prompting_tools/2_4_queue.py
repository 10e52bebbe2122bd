"""The outcome comes through a queue; values are made plain before they are encoded."""

import queue


def _made_plain(value, above=()):
    if id(value) in above:
        raise ValueError("it contains itself")
    above = (*above, id(value))
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"{value} is no JSON number")
        return value
    if isinstance(value, dict):
        return {str(key): _made_plain(item, above) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_made_plain(item, above) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _made_plain(dataclasses.asdict(value), above)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"{type(value)} is no JSON value")


class Registry:
    def run(self, name, arguments):
        try:
            content, is_error = self._text(name, arguments)
        except Exception as error:
            content, is_error = f"{name}: {type(error).__name__}", True
        content = content.encode("utf-8", errors="replace").decode()
        total = len(content)
        if total > self.max_chars:
            content = content[: self.max_chars] + CUT.format(shown=self.max_chars, total=total)
        return ToolResult(content=content, is_error=is_error)

    def _text(self, name, arguments):
        tool = next((tool for key, tool in self.tools.items() if key == name), None)
        if tool is None:
            known = difflib.get_close_matches(name, self.tools) if isinstance(name, str) else ()
            return f"{name} is not here. " + ", ".join(known or self.tools), True
        if not isinstance(arguments, dict):
            return f"{name} takes an object, not {type(arguments).__name__}", True
        lines = [f"{p.path} {p.message}" for p in validate(arguments, tool.input_schema)]
        if lines:
            return "\n".join(lines), True
        outcome = queue.SimpleQueue()

        given = copy.deepcopy(arguments)

        def work():
            try:
                outcome.put((None, tool.function(**given)))
            except BaseException as error:
                outcome.put((error, None))

        threading.Thread(target=work, daemon=True, name=f"tool {name}").start()
        try:
            error, value = outcome.get(timeout=min(tool.timeout, 10**6))
        except queue.Empty:
            words = f"No answer within {tool.timeout:g} seconds."
            return (words if tool.read_only else f"{words} {UNKNOWN_OUTCOME}"), True
        if isinstance(error, ToolError):
            return (str(error) if str(error).split() else NO_OUTPUT), True
        if error is not None:
            try:
                return f"{name}: {type(error).__qualname__}: {error!s}", True
            except Exception:
                return f"{name}: {type(error).__qualname__}", True
        if isinstance(value, ToolResult):
            return value.content, value.is_error
        if not isinstance(value, str) and value is not None:
            try:
                return json.dumps(_made_plain(value), ensure_ascii=False, separators=(",", ":")), False
            except (TypeError, ValueError) as error:
                return f"{name} returned no JSON: {error}", True
        return (value if (value or "").strip() else NO_OUTPUT), False
