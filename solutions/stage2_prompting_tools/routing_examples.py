"""Requests with the tool that should answer them, for task 2.9: `optimize.as_examples(ROUTING)`.

`TOOLS` is what a `Router` takes. Some requests stand twice in other spellings, as in any log of real requests: `split`
must keep them together.
"""

from __future__ import annotations

TOOLS = {
    "get_weather": "the weather now or in the next days in a city: temperature, rain, wind, what to wear",
    "get_stock_price": "what a share of a listed company cost at a day's close",
}

_WEATHER = """
Do I need a coat in Bangkok?
do i need a coat in bangkok?
Will it rain in Oslo tomorrow?
How warm is it in Nairobi right now?
Is it windy in Wellington today?
What should I pack for three days in Lisbon?
Can I hang out my washing in Leeds this afternoon?
Will there be frost in Ottawa tonight?
Is Madrid hotter than Rome this week?
Give me the forecast for Seoul.
Do I have to water the garden in Graz this weekend?
Umbrella or sunglasses for Hamburg on Friday?
How cold does it get in Ulaanbaatar on Sunday?
Is it warm enough to swim in Split?
What is the temperature in Quito in Fahrenheit?
Should I move the picnic in Dublin to another day?
Any snow in Innsbruck before the weekend?
Tell me how strong the wind in Chicago will be.
Are shorts fine for Sydney tomorrow?
Does it look like rain in Mumbai?
Will the match in Cardiff be a wet one?
Which is drier on Monday, Porto or Vigo?
How many degrees in Cairo at noon?
I land in Lima tonight. Jacket?
"""
_STOCKS = """
What does a share of Apple cost?
What does a share of apple  cost?
How did IBM close on Friday?
Price of MSFT, please.
Is Google's stock up since Monday?
What was the last closing price of GOOG?
How much were ten shares of Microsoft worth yesterday?
Did Apple close above 200 dollars?
Tell me IBM's share price at the end of March.
Where did AAPL end the day?
Compare the closing prices of Apple and IBM.
How much has Microsoft's share lost this week?
What would one Google share have cost me on 2 January?
Latest quote for IBM?
Has the price of AAPL moved since last week?
I own five shares of GOOG. What are they worth?
Closing price of Microsoft, in dollars.
What did IBM trade at when the market closed?
Was Apple's stock higher on Tuesday or on Wednesday?
Can you look up MSFT for me?
At what price did Google finish the year?
How expensive is one share of IBM now?
Which closed higher yesterday, AAPL or MSFT?
Give me the price of a Microsoft share on 14 June.
"""
_NEITHER = """
What can you do?
WHAT CAN YOU DO?
Write a haiku about rain.
Why is the sky blue?
What is a share, in simple words?
Translate 'closing price' into German.
Thank you, that was helpful.
How do clouds form?
Who founded Apple?
Explain what a stock exchange does.
What is the capital of Kenya?
Tell me a joke about umbrellas.
Which degree do I need to become a meteorologist?
How do I knit a coat?
What does 'bear market' mean?
Convert 20 degrees Celsius to Fahrenheit.
How many shares may a company issue?
Is hail made of ice?
Please repeat that more slowly.
Spell 'Microsoft' backwards.
Who invented the barometer?
What is the difference between weather and climate?
Recommend a book on investing.
Good morning!
"""

ROUTING = [
    (request, tool)
    for tool, requests in (("get_weather", _WEATHER), ("get_stock_price", _STOCKS), ("none", _NEITHER))
    for request in requests.strip().splitlines()
]
