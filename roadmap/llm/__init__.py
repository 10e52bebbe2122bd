"""Language models behind an API: the Messages contract, a scripted server for checks, and what serves them."""
