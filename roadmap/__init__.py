"""The course kit of the LLM Engineer Roadmap: everything that stages, projects, solutions and checks share."""

__version__ = "0.1.0"
