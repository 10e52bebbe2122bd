"""The side of the grader that decides: pytest, the checks, their oracles, and the judge's ends of the candidates."""
