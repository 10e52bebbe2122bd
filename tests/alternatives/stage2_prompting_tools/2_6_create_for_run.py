"""`run` without streaming, an event loop's threads, the conversation as the SDK's own objects turned into dicts."""

import asyncio
import functools
import operator


class Usage:
    def add(self, usage):
        """By the names of the fields."""
        for name in vars(self):
            more = getattr(usage, name, None)
            vars(self)[name] += 0 if more is None else more

    def cost(self, prices):
        """A dot product."""
        if prices is None:
            return 0.0
        row = (self.input_tokens, self.output_tokens, self.cache_creation_input_tokens, self.cache_read_input_tokens)
        each = (prices.input, prices.output, prices.cache_write, prices.cache_read)
        return functools.reduce(operator.add, map(operator.mul, row, each), 0.0) / 10**6


class Agent:
    def run(self, question, history=()):
        """Non-streaming requests."""
        return self._last(self._loop(question, history, self._whole))

    def stream(self, question, history=()):
        """Streaming requests."""
        yield from self._loop(question, history, self._pieces)

    @staticmethod
    def _last(events):
        for event in events:
            if isinstance(event, Outcome):
                return event

    def _request(self, messages):
        optional = {"system": self.system, "tools": self.registry.definitions()}
        return dict(model=self.model, max_tokens=self.max_tokens, messages=messages) | {
            name: value for name, value in optional.items() if value
        }

    def _whole(self, messages):
        return self.client.messages.create(**self._request(messages))
        yield

    def _pieces(self, messages):
        with self.client.messages.stream(**self._request(messages)) as stream:
            events = iter(stream)
            while True:
                try:
                    event = next(events)
                except StopIteration:
                    return stream.get_final_message()
                except (httpx2.TransportError, ValueError) as error:
                    raise anthropic.APIConnectionError(message=f"{error}", request=stream.response.request) from error
                if event.type == "text" and event.text:
                    yield TextPiece(event.text)

    def _loop(self, question, history, ask):
        messages = copy.deepcopy([*history])
        messages.append(dict(role="user", content=question))
        steps = []
        text = ""
        while True:
            answer = yield from ask(messages)
            reason = str(answer.stop_reason)
            with_calls = reason == "tool_use"
            content = []
            for block in answer.content:
                if block.type == "text" and block.text.strip():
                    content.append({"type": "text", "text": block.text})
                elif block.type == "tool_use" and with_calls:
                    content.append({"type": "tool_use", "id": block.id, "name": block.name, "input": block.input})
                elif block.type not in ("text", "tool_use"):
                    content.append(block.model_dump(mode="json", exclude_none=True))
            if content:
                messages.append({"role": "assistant", "content": content})
            own = "".join(block.text for block in answer.content if block.type == "text")
            text = text * bool(steps and steps[-1].stop_reason == "pause_turn") + own
            calls = [Call(part["id"], part["name"], part["input"]) for part in content if part["type"] == "tool_use"]
            usage = Usage()
            usage.add(answer.usage)
            total = Usage()
            for step in steps:
                total.add(step.usage)
            total.add(usage)
            stop = "" if calls or reason == "pause_turn" else reason
            if not stop and len(steps) + 1 >= self.max_turns:
                stop = "max_turns"
            elif not stop and self.max_cost is not None and not total.cost(self.prices) < self.max_cost:
                stop = "max_cost"
            if stop:
                results = [ToolResult(NOT_RUN.format(limit=stop), is_error=True) for _ in calls]
            else:
                yield from (Called(call) for call in calls)
                results = asyncio.run(self._gather(calls))
                yield from (Answered(*pair) for pair in zip(calls, results, strict=True))
            if calls:
                back = [
                    dict(type="tool_result", tool_use_id=c.id, content=r.content, is_error=bool(r.is_error))
                    for c, r in zip(calls, results, strict=True)
                ]
                messages.append(dict(role="user", content=back))
            steps.append(Step(reason, own, tuple(calls), tuple(results), usage))
            if stop:
                yield Outcome(text, stop, len(steps), total, total.cost(self.prices), messages, steps)
                return

    async def _gather(self, calls):
        from concurrent.futures import ThreadPoolExecutor

        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(max(1, len(calls))) as pool:
            waiting = [
                loop.run_in_executor(pool, self.run_call, call.name, copy.deepcopy(call.arguments)) for call in calls
            ]
            done = await asyncio.gather(*waiting, return_exceptions=True)
        return [
            ToolResult(f"failed: {type(one).__name__}: {one}", is_error=True) if isinstance(one, BaseException) else one
            for one in done
        ]
