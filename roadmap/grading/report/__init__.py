"""Reports: for the terminal, as JSON, JUnit XML, Gradescope's results and a GitHub job summary."""
