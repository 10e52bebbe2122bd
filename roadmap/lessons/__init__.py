"""Lessons: their sources, building and verifying the notebooks, one look for every figure. Imports nothing heavy.

`style` and `data` are what a lesson's own cells import; the rest is for authors and for the command line.
"""
