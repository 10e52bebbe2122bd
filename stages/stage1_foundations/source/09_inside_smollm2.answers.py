"""Answers that prove the checks of the exercises; run in the lesson's own namespace."""


def by_sets(weights, shapes, tied):
    given = dict(weights)
    if tied:
        given.pop("lm_head.weight", None)
    wrong = {name for name in given.keys() & shapes.keys() if tuple(given[name].shape) != tuple(shapes[name])}
    return sorted((given.keys() ^ shapes.keys()) | wrong)


def by_loop(weights, shapes, tied):
    found = [name for name in shapes if name not in weights or weights[name].shape != shapes[name]]
    extra = [name for name in weights if name not in shapes and not (tied and name == "lm_head.weight")]
    return sorted(found + extra)


def changes_the_mapping(weights, shapes, tied):
    if tied:
        weights.pop("lm_head.weight", None)
    return by_sets(weights, shapes, tied)


def ignores_unknown(weights, shapes, tied):
    return sorted(name for name in shapes if name not in weights or weights[name].shape != shapes[name])


def ignores_shapes(weights, shapes, tied):
    return sorted((weights.keys() ^ shapes.keys()) - ({"lm_head.weight"} if tied else set()))


RIGHT = {
    "exercise_1": [866_432],
    "exercise_2": [0.46, 0.459],
    "exercise_3": [by_sets, by_loop],
}
WRONG = {
    "exercise_1": [994_432, 931_968, 865_408],
    "exercise_2": [0.9, 0.33, 0.815],
    "exercise_3": [changes_the_mapping, ignores_unknown, ignores_shapes],
}
