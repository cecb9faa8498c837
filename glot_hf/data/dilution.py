# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Signal dilution: one short statement that decides the label, among words that say nothing (after the paper's stress
test).

Unlike the released generator, whose classes differ in length and vocabulary, both classes here have the same words and
the same length: "holds a key but not a scarf" against "holds a scarf but not a key". Whether metal or cloth is held
decides, so that no bag of words and no length gives the label away.
"""

import random


SIGNAL_LENGTH = 9
_METAL = "key coin nail spoon wrench hammer needle bolt razor anchor".split()
_CLOTH = "scarf towel shirt blanket curtain sock jacket napkin glove pillow".split()
_CONTAINERS = "box drawer bag chest basket crate pocket cabinet".split()
_DISTRACTORS = (
    "river morning cloud paper garden winter music table silver window forest summer engine yellow village bread "
    "ocean number green letter travel market quiet mountain dinner purple station copper evening valley planet sugar "
    "bridge cotton circle autumn island doctor signal harbor meadow orange theory kitchen velvet thunder teacher "
    "pepper desert violin marble season walking running slowly often bright narrow distant gentle early under above "
    "between across"
).split()


def diluted_texts(count: int, distractor_share: float, seed: int) -> tuple[list[str], list[int]]:
    """
    Texts in which a statement about two things stands at a random place among distractor words.

    Args:
        count (`int`): how many; the classes alternate.
        distractor_share (`float`): share of the words that say nothing, in [0, 1).
        seed (`int`): decides everything.

    Returns:
        `tuple[list[str], list[int]]`: the texts, all of `round(9 / (1 - distractor_share))` words, and their labels: 1
        where the metal thing is held, 0 where the cloth one is.

    Raises:
        ValueError: `distractor_share` is outside [0, 1).
    """
    if not 0 <= distractor_share < 1:
        raise ValueError(f"distractor_share={distractor_share} is not in [0, 1)")
    generator = random.Random(seed)
    distractors = round(SIGNAL_LENGTH / (1 - distractor_share)) - SIGNAL_LENGTH
    texts, labels = [], []
    for index in range(count):
        label = index % 2
        metal, cloth = generator.choice(_METAL), generator.choice(_CLOTH)
        held, missing = (metal, cloth) if label else (cloth, metal)
        signal = f"the {generator.choice(_CONTAINERS)} holds a {held} but not a {missing}".split()
        words = generator.choices(_DISTRACTORS, k=distractors)
        place = generator.randint(0, distractors)
        texts.append(" ".join(words[:place] + signal + words[place:]))
        labels.append(label)
    return texts, labels
