"""The checks of the tiny course."""

from roadmap.grading import check


@check(task="1.1", lesson="01_shares#by-hand", hints=["Exponentials first.", "Divide by their sum."])
def test_shares_add_up_to_one(learner, rng):
    """Shares add up to one."""
