# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The options of `glot-hf stress-test`, which are there before torch is imported."""

from dataclasses import dataclass
from inspect import signature

from ..system.errors import InputError
from ..system.options import option
from .stress_texts import GENERATORS, POSITIONS


Split = tuple[list[str], list[int]]  # texts and labels


@dataclass
class StressTestArguments:
    """
    The options of `glot-hf stress-test`.

    Raises:
        InputError: a value is outside what its option takes.
    """

    output_dir: str = option(
        "stress_test_output",
        "Folder of results.json, accuracy.png, and what is finished, with which the same command goes on.",
    )
    generator: str = option(
        "matched",
        "Which texts: matched (only a relation decides), paper (two words differ) or released (as the released "
        "script: length and words give the class away).",
    )
    ratios: list[float] = option(
        [0.2, 0.5, 0.8, 0.9], "How much distracts: for matched its share of the words, else words per longest text."
    )
    positions: list[str] = option(["random"], "Where the statement stands: start, middle, end, random.")
    distance: int | None = option(
        None, "Distractors between the parts of the statement; default: 0, and 10 for released."
    )
    poolings: list[str] = option(
        ["cls", "last", "mean", "max", "adapool", "glot:graph_type=self", "glot"],
        "Poolings to compare, with options of their own as in glot:graph_type=self.",
    )
    seeds: list[int] = option([0, 1, 2], "One head each, for each pooling, ratio and position.")
    train_size: int = option(2000, "Texts to train on.")
    test_size: int = option(500, "Texts to test on.")
    max_length: int = option(512, "Longer texts are cut at this many tokens.")
    learning_rates: list[float] = option(
        [1e-3, 5e-3], "Learning rates; of several, each pooling takes the best on training texts that are held out."
    )
    steps: list[int] = option([150, 450], "Optimizer steps; of several, the same.")
    batch_size: int = option(32, "Training batch size.")

    def __post_init__(self):
        for flag, names, valid in (
            ("--generator", [self.generator], GENERATORS),
            ("--positions", self.positions, POSITIONS),
        ):
            for name in names:
                if name not in valid:
                    raise InputError(f"{flag} {name!r} is not one of {', '.join(valid)}")
        for name, least in (("train_size", 50), ("test_size", 1), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise InputError(f"--{name} {getattr(self, name)} is too small: give {least} or more")
        if self.distance is None:
            self.distance = signature(GENERATORS[self.generator]).parameters["distance"].default
        for ratio in self.ratios:
            self.texts(1, ratio, self.positions[0], seed=0)  # it refuses what it cannot make

    def texts(self, count: int, ratio: float, position: str, seed: int) -> Split:
        """Make `count` texts with their labels; see [`~glot_hf.experiments.stress_texts`]."""
        return GENERATORS[self.generator](count, ratio, seed, position, self.distance)
