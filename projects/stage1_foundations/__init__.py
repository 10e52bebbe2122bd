"""Stage 1, Foundations: a program, from tensors up, that runs real SmolLM2 weights and generates text.

One module a task or two: `tokens` (1.1, 1.2), `attention` (1.3), `positions` (1.4), `model` (1.5), `sampling` (1.6),
`cache` (1.7), `generate` (1.8), `evaluate` (1.9), `cli` (1.10). Importing the package imports none of them.
"""
