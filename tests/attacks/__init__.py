"""Hostile submissions: what each of them tries, and what must happen to it."""
