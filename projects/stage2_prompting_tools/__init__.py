"""A command-line assistant that calls real tools through the Messages API."""
