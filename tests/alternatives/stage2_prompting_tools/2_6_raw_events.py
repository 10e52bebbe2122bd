"""Server-sent events assembled by hand, threads in place of a pool, one method a state."""

import json
import queue
import threading


class Usage:
    def add(self, usage):
        """Attribute by attribute."""
        self.input_tokens += usage.input_tokens or 0
        self.output_tokens += usage.output_tokens or 0
        self.cache_creation_input_tokens += usage.cache_creation_input_tokens or 0
        self.cache_read_input_tokens += usage.cache_read_input_tokens or 0

    def cost(self, prices):
        """A price a token."""
        if not prices:
            return 0.0
        pairs = [
            (self.input_tokens, prices.input),
            (self.output_tokens, prices.output),
            (self.cache_creation_input_tokens, prices.cache_write),
            (self.cache_read_input_tokens, prices.cache_read),
        ]
        return sum(count * (dollars * 1e-6) for count, dollars in pairs)


class Agent:
    def run(self, question, history=()):
        """The last event."""
        outcome = None
        for event in self.stream(question, history):
            outcome = event
        return outcome

    def stream(self, question, history=()):
        """Blocks are dicts from the first delta on."""
        conversation = json.loads(json.dumps(list(history)))
        conversation.append({"role": "user", "content": [{"type": "text", "text": question}]})
        total, steps, carried = Usage(), [], ""
        for turn in range(1, self.max_turns + 1):
            blocks, reason, counted = yield from self._answer(conversation)
            total.add(counted)
            said = "".join(block.get("text", "") for block in blocks)
            kept = []
            for block in blocks:
                empty = block["type"] == "text" and not block["text"].strip()
                cut = block["type"] == "tool_use" and reason != "tool_use"
                if not (empty or cut):
                    kept.append(block)
            if kept:
                conversation.append({"role": "assistant", "content": kept})
            calls = tuple(Call(b["id"], b["name"], b["input"]) for b in kept if b["type"] == "tool_use")
            ended = reason
            results = []
            if calls or reason == "pause_turn":
                ended = ""
                if self.max_cost is not None and total.cost(self.prices) >= self.max_cost:
                    ended = "max_cost"
                if turn == self.max_turns:
                    ended = "max_turns"
                if ended:
                    results = [ToolResult(NOT_RUN.format(limit=ended), True)] * len(calls)
                else:
                    results = yield from self._side_by_side(calls)
            if calls:
                content = []
                for call, result in zip(calls, results, strict=True):
                    part = {"type": "text", "text": result.content}
                    content.append(
                        {
                            "type": "tool_result",
                            "tool_use_id": call.id,
                            "content": [part],
                            "is_error": result.is_error,
                        }
                    )
                conversation.append({"role": "user", "content": content})
            steps.append(Step(reason, said, calls, tuple(results), counted))
            said = carried + said
            carried = said if reason == "pause_turn" else ""
            if ended:
                yield Outcome(said, ended, turn, total, total.cost(self.prices), conversation, steps)
                return

    def _answer(self, conversation):
        request = dict(model=self.model, max_tokens=self.max_tokens, messages=conversation, stream=True)
        if self.system:
            request["system"] = [{"type": "text", "text": self.system}] if False else self.system
        tools = self.registry.definitions()
        if tools:
            request["tools"] = tools
        blocks, inputs, counted, reason = [], {}, Usage(), ""
        with self.client.messages.create(**request) as events:
            source = iter(events)
            while True:
                try:
                    event = next(source, None)
                except httpx2.TransportError as error:
                    raise anthropic.APIConnectionError(message=str(error), request=events.response.request) from error
                if event is None:
                    break
                if event.type == "message_start":
                    counted.add(event.message.usage)
                    counted.output_tokens = 0
                elif event.type == "content_block_start":
                    blocks.append(event.content_block.to_dict())
                elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                    blocks[event.index]["text"] += event.delta.text
                    if event.delta.text:
                        yield TextPiece(event.delta.text)
                elif event.type == "content_block_delta" and event.delta.type == "input_json_delta":
                    inputs[event.index] = inputs.get(event.index, "") + event.delta.partial_json
                elif event.type == "message_delta":
                    reason = event.delta.stop_reason or "unknown"
                    counted.output_tokens = event.usage.output_tokens
        for index, text in inputs.items():
            try:
                blocks[index]["input"] = json.loads(text or "{}")
            except ValueError as error:
                if reason == "tool_use":
                    raise anthropic.APIError(f"no JSON: {text}", events.response.request, body=None) from error
        return blocks, reason, counted

    def _side_by_side(self, calls):
        boxes = [queue.Queue() for _ in calls]
        for call, box in zip(calls, boxes, strict=True):
            threading.Thread(target=lambda c=call, b=box: b.put(self._safely(c)), daemon=True).start()
        for call in calls:
            yield Called(call)
        results = []
        for call, box in zip(calls, boxes, strict=True):
            results.append(box.get())
            yield Answered(call, results[-1])
        return results

    def _safely(self, call):
        try:
            return self.run_call(call.name, json.loads(json.dumps(call.arguments)))
        except Exception as error:
            return ToolResult(f"{type(error).__name__} in {call.name}: {error}", True)
