"""The course kit of the LLM Engineer Roadmap: everything that stages, projects, solutions and checks share."""

__version__ = "0.1.0"


def load_ipython_extension(shell: object) -> None:
    """`%load_ext roadmap`: gives a notebook the magic `%check TASK`."""
    from roadmap.cli.magics import register

    register(shell)
