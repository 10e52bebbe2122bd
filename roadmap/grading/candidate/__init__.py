"""The side of the grader that runs beside the learner's code. Nothing here decides anything."""
