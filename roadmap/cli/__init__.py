"""The `roadmap` command: one module a verb."""
