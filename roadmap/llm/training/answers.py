"""What to say after a tool has answered: every value with its unit, or that it failed and why."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from .values import CITIES, CURRENCIES, POOLS, TICKERS, listed

# name as a key, name in words, units (as a word for a key, as said), least, greatest, decimals
_FIELDS = [
    ("temperature", "the temperature", [("celsius", "°C"), ("celsius", "degrees Celsius"), ("fahrenheit", "°F")],
     -30, 40, 1),
    ("low", "the low", [("celsius", "°C")], -30, 20, 1),
    ("high", "the high", [("celsius", "°C")], -10, 40, 1),
    ("wind", "the wind", [("kmh", "km/h"), ("ms", "m/s")], 0, 90, 0),
    ("rain", "the rain", [("mm", "mm")], 0, 60, 1),
    ("humidity", "the humidity", [("percent", "%")], 10, 100, 0),
    ("price", "the price", [("usd", "USD"), ("eur", "EUR")], 1, 900, 2),
    ("change", "the change", [("percent", "%")], -9, 9, 2),
    ("distance", "the distance", [("km", "km"), ("miles", "miles")], 1, 4000, 0),
    ("duration", "the duration", [("minutes", "minutes"), ("hours", "hours")], 1, 90, 0),
    ("weight", "the weight", [("kg", "kg"), ("grams", "g")], 1, 400, 1),
    ("seats_left", "the number of seats left", [("", "")], 0, 200, 0),
    ("delay", "the delay", [("minutes", "minutes")], 0, 120, 0),
    ("balance", "the balance", [("eur", "EUR"), ("usd", "USD")], -900, 5000, 2),
    ("elevation", "the elevation", [("m", "m")], -90, 4000, 0),
    ("battery", "the battery", [("percent", "%")], 1, 100, 0),
    ("count", "the count", [("", "")], 0, 5000, 0),
    ("score", "the score", [("points", "points")], 0, 120, 0),
]  # fmt: skip
_OPENINGS = [
    "For {subject}, ",
    "In {subject}, ",
    "{subject}: ",
    "Here is what I found for {subject}: ",
    "At {subject}, ",
]
_TOPICS = ["weather", "forecast", "measurement", "status", "route", "account", "train", "product", "sensor", "report"]
_SKIES = ["sunny", "light rain", "overcast", "fog", "snow", "clear sky", "thunderstorm", "drizzle", "partly cloudy"]
_SOURCES = ["Open-Meteo", "the local weather service", "daily prices", "the exchange", "city records", "station 12"]
_FAILURES = [
    "no city named {name} was found", "unknown symbol {name}", "the service did not answer within {n} seconds",
    "connection refused", "HTTP 503: service unavailable", "{name} is not in the database", "permission denied",
    "the {topic} service is down for maintenance", "rate limit reached, try again in {n} minutes",
    "no data for {date}", "invalid argument: {name}", "{name} does not exist", "the request timed out",
    "the market was closed on {date}", "no results for {name}", "ToolError: {name} could not be reached",
    "ValueError: {name} is not a valid {topic}", "not found: {name}", "network is unreachable",
    "you are not allowed to read {name}", "currency {name} is not supported", "division by zero",
]  # fmt: skip
_SORRY = [
    "I could not get an answer: {reason}.", "Sorry, that did not work: {reason}.", "The tool failed: {reason}.",
    "I'm sorry, I cannot tell you, because the tool reported an error: {reason}.",
    "That could not be looked up: {reason}.",
]  # fmt: skip
_STRANGE = ["Atlantis", "Qwxyz", "ZZZZ", "Narnia", "file42", "Springfeld", "ABCQ", "Gotham", "room 900", "XXQ"]


@dataclass(frozen=True)
class Answered:
    """A question, the calls, what came of them (`Result: ...` or `Error: ...`), and the answer."""

    question: str
    calls: list[dict[str, Any]]
    results: list[str]
    answer: str


def draw(rng: random.Random) -> Answered:
    """One such conversation; a quarter of them fail."""
    kind = rng.random()
    if kind < 0.25:
        return _failed(rng)
    if kind < 0.55:
        return _known(rng)
    if kind < 0.68:
        parts = [
            _known(rng) if rng.random() < 0.5 else _described(rng),
            _failed(rng) if rng.random() < 0.3 else _known(rng),
        ]
        return Answered(
            " And: ".join(part.question for part in parts),
            [call for part in parts for call in part.calls],
            [result for part in parts for result in part.results],
            " ".join(part.answer for part in parts),
        )
    return _described(rng)


def _failed(rng: random.Random) -> Answered:
    topic = rng.choice(_TOPICS)
    name = rng.choice(_STRANGE)
    reason = rng.choice(_FAILURES).format(name=name, n=rng.randint(2, 60), topic=topic, date=POOLS["date"](rng)[1])
    said = reason[0].upper() + reason[1:] if rng.random() < 0.5 else reason
    text = said + rng.choice(["", "", ".", "!"])
    if rng.random() < 0.2:
        text = json.dumps({"error": reason})
    question = rng.choice(["What is the {t} for {n}?", "{t} of {n}?", "Look up the {t} {n}", "Tell me the {t} at {n}"])
    return Answered(
        question.format(t=topic, n=name),
        [{"tool": rng.choice(["get_", "find_", ""]) + topic, "arguments": {"name": name}}],
        [f"Error: {text}"],
        rng.choice(_SORRY).format(reason=reason),
    )


def _value(least: float, greatest: float, decimals: int, rng: random.Random) -> float | int:
    if decimals == 0 or rng.random() < 0.3:
        return rng.randint(int(least), int(greatest))
    return round(rng.uniform(least, greatest), decimals)


def _described(rng: random.Random) -> Answered:
    """Any fields, in one of the shapes that services answer in."""
    subject = rng.choice(
        [*listed(CITIES), *listed(TICKERS)[:12], "the kitchen", "order 8841", "LH 400", "Anna", "web01"]
    )
    fields = rng.sample(_FIELDS, rng.choice([1, 1, 2, 2, 3, 4]))
    shape = rng.choice(["suffix", "unit", "text", "nested", "words"])
    if shape == "unit":
        fields = fields[:1]
    result: dict[str, Any] = {rng.choice(["name", "place", "for", "subject"]): subject} if rng.random() < 0.8 else {}
    clauses, lines = [], []
    for key, words, units, least, greatest, decimals in fields:
        value = _value(least, greatest, decimals, rng)
        short, unit = rng.choice(units)
        said = f"{value} {unit}".strip()
        clauses.append(f"{words} is {said}")
        lines.append(f"{key.replace('_', ' ')} {said}")
        if shape == "suffix":
            result[f"{key}_{short}" if short else key] = value
        elif shape == "unit":
            result |= {key: value, **({"unit": short} if short else {})}
        elif shape == "nested":
            result[key] = {"value": value, "unit": unit} if unit else value
        else:
            result[key] = said
    if rng.random() < 0.25:
        result["date"] = date = POOLS["date"](rng)[1]
        clauses[-1] += f" on {date}"
        lines.append(f"on {date}")
    if rng.random() < 0.25:
        sky = rng.choice(_SKIES)
        result["conditions"] = sky
        clauses.append(f"the conditions are {sky}")
        lines.append(sky)
    source = rng.choice(_SOURCES) if rng.random() < 0.35 else ""
    if source:
        result["source"] = source
        lines.append(f"source: {source}")
    text = f"{subject}: {', '.join(lines)}" if shape == "text" else json.dumps(result, ensure_ascii=False)
    body = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    opening = rng.choice(_OPENINGS).format(subject=subject)
    answer = opening + body + (f" (source: {source})." if source else ".")
    topic = rng.choice(_TOPICS)
    question = rng.choice(["What is the {t} for {s}?", "{s} {t}?", "Give me the {t}, {s}.", "How about {s}?"])
    return Answered(
        question.format(t=topic, s=subject),
        [{"tool": rng.choice([topic, f"get_{topic}"]), "arguments": {"name": subject}}],
        [f"Result: {text}"],
        answer[0].upper() + answer[1:],
    )


def _known(rng: random.Random) -> Answered:
    """The results of the five tools that are taught."""
    which = rng.randrange(5)
    city = rng.choice(listed(CITIES))
    if which == 0:
        degrees = _value(-25, 40, 1, rng)
        day, sky = rng.choice(["today", "tomorrow"]), rng.choice(_SKIES)
        unit = rng.choice(["celsius", "celsius", "fahrenheit"])
        verb = "is" if day == "today" else "will be"
        sign = {"celsius": "°C", "fahrenheit": "°F"}[unit]
        form = rng.randrange(3)
        result: Any = {"city": city, "day": day, f"temperature_{unit}": degrees, "conditions": sky}
        if form == 1:
            result = {"city": city, "day": day, "temperature": degrees, "unit": unit, "sky": sky}
        text = f"{city}, {day}: {degrees} {sign}, {sky}" if form == 2 else json.dumps(result, ensure_ascii=False)
        answer = f"In {city} it {verb} {degrees} {sign} {day}, with {sky}."
        question, call = f"How is the weather in {city} {day}?", {"city": city, "day": day}
        name = "get_weather"
    elif which == 1:
        symbol = rng.choice(listed(TICKERS))
        price, money = round(rng.uniform(2, 900), 2), rng.choice(["USD", "USD", "EUR"])
        date = POOLS["date"](rng)[1]
        result = {"symbol": symbol, "date": date, rng.choice(["price", "close"]): price, "currency": money}
        text = f"{symbol} {date} {price} {money}" if rng.random() < 0.25 else json.dumps(result)
        answer = f"{symbol} stood at {price} {money} on {date}."
        question, call, name = f"What does {symbol} cost?", {"symbol": symbol}, "get_stock_price"
    elif which == 2:
        amount = POOLS["amount"](rng)[1]
        first, second = rng.sample(sorted(set(CURRENCIES.values())), 2)
        got, rate = round(rng.uniform(0.5, 9000), 2), round(rng.uniform(0.1, 150), 4)
        result = {"amount": amount, "from": first, "to": second, rng.choice(["result", "converted"]): got}
        answer = f"{amount} {first} is {got} {second}"
        if rng.random() < 0.4:
            result["rate"] = rate
            answer += f", at a rate of {rate}"
        answer += "."
        text = json.dumps(result)
        question = f"How much is {amount} {first} in {second}?"
        call, name = {"amount": amount, "from": first, "to": second}, "convert_currency"
    elif which == 3:
        clock = f"{rng.randrange(24):02}:{rng.randrange(60):02}"
        result = {"city": city, rng.choice(["time", "local_time"]): clock}
        answer = f"It is {clock} in {city}"
        if rng.random() < 0.4:
            zone = rng.choice(["CET", "UTC+3", "EST", "UTC-5", "JST", "GMT"])
            result["zone"] = zone
            answer += f" ({zone})"
        answer += "."
        text = clock if rng.random() < 0.2 else json.dumps(result, ensure_ascii=False)
        if text == clock:
            answer = f"It is {clock} in {city}."
        question, call, name = f"What time is it in {city}?", {"city": city}, "get_time"
    else:
        expression = POOLS["expr"](rng)[1]
        value = _value(-5000, 90000, 3, rng)
        text = str(value) if rng.random() < 0.5 else json.dumps({"expression": expression, "result": value})
        answer = rng.choice([f"{expression} = {value}.", f"The result of {expression} is {value}."])
        question, call, name = f"What is {expression}?", {"expression": expression}, "calculate"
    return Answered(question, [{"tool": name, "arguments": call}], [f"Result: {text}"], answer)
