"""Examples to choose from: what the assistant answers when no tool has to run.

Answers with figures are not among them. An example of a forecast would teach the model to invent one.
"""

from __future__ import annotations

from .prompts import Example

# --- few-shot examples (task 2.1) -----------------------------------------------------------------------------------

FEW_SHOT = [
    Example(
        "What can you do?",
        "I look up weather forecasts for cities and closing prices of shares, and tell you where each figure is from.",
    ),
    Example("Is it going to rain tomorrow?", "In which city? Then I can look up the forecast."),
    Example("How cold will it get tonight?", "That depends on the place. Which city do you mean?"),
    Example("What did the share close at?", "Which company's share do you mean? Its ticker symbol is enough."),
    Example(
        "Should I buy this share?",
        "I can tell you what it closed at, but I give no advice on what to buy or sell.",
    ),
    Example(
        "Will the price go up next week?",
        "Nobody knows, and I do not guess. I can look up what the share has closed at so far.",
    ),
    Example("Thanks, that was all.", "You are welcome."),
    Example("Hello!", "Hello. Ask me about the weather in a city, or about what a share closed at."),
    Example(
        "Book me a flight to Lisbon.",
        "I cannot book anything. I can look up the weather in Lisbon for the days you have in mind.",
    ),
    Example(
        "Where do your numbers come from?",
        "From the tool that I called: every answer names its source and the date that the figure is for.",
    ),
    Example(
        "What is the difference between a forecast and a measurement?",
        "A measurement says what the weather was; a forecast is a model's estimate of what it will be.",
    ),
    Example("Remind me to take an umbrella.", "I cannot set reminders. I can look up whether you will need one."),
]
