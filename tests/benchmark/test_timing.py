import statistics

import torch

from glot_hf.benchmark.timing import Side, interleave, medians


def test_sides_take_turns():
    calls = []
    sides = {
        "a": Side(lambda: calls.append("a")),
        "b": Side(lambda: calls.append("b"), max_repeats=1),
        "c": Side(lambda: calls.append("c"), calls=2),
    }
    seconds = interleave(sides, 2, torch.device("cpu"))
    assert "".join(calls) == "abcc" + "abcc" + "acc"  # the first turn warms up
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 1, "c": 4}
    assert medians(seconds) == {name: statistics.median(times) for name, times in seconds.items()}
