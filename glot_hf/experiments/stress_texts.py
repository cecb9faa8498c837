# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Texts of the stress test: one short statement that decides the label, among words that say nothing.

Three generators with one signature. What each of them gives away to a classifier that reads no relation is measured by
[`glot_hf.experiments.stress.leak_check`]:

- `released`, as the released script does: the classes differ in length and in vocabulary, so no pooling is needed;
- `paper`, as the paper's text describes: same length, but two words of the statement differ;
- `matched`, ours: same length and same words; only which word stands where decides.
"""

import random
from collections.abc import Callable, Sequence

from ..system.errors import InputError


POSITIONS = ("start", "middle", "end", "random")

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
_STATEMENT_LENGTH = 9  # of `paper` and `matched`
_PAPER_LENGTH = 256

# The lists of the released script, which decide what its texts give away.
_RELEASED_LENGTH = 128
_RELEASED_NOUNS = "keys reports files tickets documents alerts".split()
_RELEASED_NEGATORS = "not never without excluding".split()
_RELEASED_CONTEXTS = ("the delivery contains", "the folder includes", "in the box are")
_RELEASED_DISTRACTORS = (
    "the of and to a in for is on that by this with i you it not or be are from at as your all have new more an "
    "was we will home can us about if page my has search free but our one other do no information time they site "
    "he up may what which their news out use any there see only so his when contact here business who web also "
    "now help get pm view online first am been would how were me services some these click its like service x "
    "than find date top yet"
).split()


def released_texts(
    count: int, ratio: float, seed: int, position: str = "random", distance: int = 10
) -> tuple[list[str], list[int]]:
    """
    Make the texts of the released script, word for word those it makes from the same random seed.

    They give the label away: a negative has a negator and `distance` distractors more than a positive, so that at the
    distance of 10 the length alone tells the classes apart; and some negators stand in negatives only.

    Args:
        ratio (`float`): distractors around the statement as a share of 128 words, in [0, 1). It is not their share of
            the text, which has no more than distractors and statement: 0.2, 0.5, 0.8 and 0.9 give 86, 94, 96 and 97 %
            of distractors in positives.
        distance (`int`): distractors between negator and noun, up to 125; only negatives have any.
        count, seed, position: the same as in [`matched_texts`], except that the labels are drawn and do not alternate.

    Returns:
        `tuple[list[str], list[int]]`: the texts, and their labels: 1 where the thing is there, 0 where it is negated.

    Raises:
        InputError: a value is outside its range.
    """
    _require(ratio, position)
    _require_distance(distance, _RELEASED_LENGTH - 3)
    generator = random.Random(seed)
    texts, labels = [], []
    for _ in range(count):  # the order of the draws is the script's
        label = generator.choice((1, 0))
        noun, context = generator.choice(_RELEASED_NOUNS), generator.choice(_RELEASED_CONTEXTS)
        statement = [context, noun]  # the script counts the context as one word
        if label == 0:
            negator = generator.choice(_RELEASED_NEGATORS)
            statement = [context, negator, *generator.choices(_RELEASED_DISTRACTORS, k=distance), noun]
        room = _RELEASED_LENGTH - len(statement)
        distractors = generator.choices(_RELEASED_DISTRACTORS, k=min(int(_RELEASED_LENGTH * ratio), room))
        texts.append(_place(statement, distractors, position, generator))
        labels.append(label)
    return texts, labels


def paper_texts(
    count: int, ratio: float, seed: int, position: str = "random", distance: int = 0
) -> tuple[list[str], list[int]]:
    """
    Make "the box has a key but not a scarf" against "the box has a key and also a scarf".

    Known to us of the paper are such templates, the length 256, 10,000 training and 2,000 test texts, and the ratios.
    Ours are the words, that the length is counted in words and is the longest a text may be, that the ratio is a share
    of it as in the released script, and `distance`. The classes are equally long, but "but not" and "and also" give
    them away to a bag of words.

    Args:
        ratio (`float`): distractors as a share of 256 words, from 0 to 0.96. The text has no more than these and the
            statement's 9 words.
        distance (`int`): how many of the distractors stand between "but not" or "and also" and the second thing.
        count, seed, position: the same as in [`matched_texts`].

    Returns:
        `tuple[list[str], list[int]]`: the texts, and their labels: 1 where both things are there, 0 where one is not.

    Raises:
        InputError: a value is outside its range.
    """
    _require(ratio, position)
    num_distractors = round(_PAPER_LENGTH * ratio)
    if num_distractors > _PAPER_LENGTH - _STATEMENT_LENGTH:
        raise InputError(f"ratio {ratio} leaves no room for the statement in {_PAPER_LENGTH} words: give 0 to 0.96")
    _require_distance(distance, num_distractors)
    generator = random.Random(seed)
    texts, labels = [], []
    for index in range(count):
        label = index % 2
        first, second = generator.sample(_METAL + _CLOTH, k=2)
        distractors = generator.choices(_DISTRACTORS, k=num_distractors)
        between, around = distractors[:distance], distractors[distance:]
        relation = "and also" if label else "but not"
        statement = f"the {generator.choice(_CONTAINERS)} has a {first} {relation}".split()
        texts.append(_place([*statement, *between, "a", second], around, position, generator))
        labels.append(label)
    return texts, labels


def matched_texts(
    count: int, ratio: float, seed: int, position: str = "random", distance: int = 0
) -> tuple[list[str], list[int]]:
    """
    Make "the box holds a key but not a scarf" against "the box holds a scarf but not a key".

    Whether metal or cloth is held decides the label. Both classes have the same words and the same length, so that
    neither a bag of words nor the length gives the label away.

    Args:
        count (`int`): how many texts; the classes alternate.
        ratio (`float`): share of the words that say nothing, in [0, 1).
        seed (`int`): decides everything.
        position (`str`): where the statement stands: start, middle, end or random.
        distance (`int`): how many of the distractors stand between "holds" and its thing, and as many between "not"
            and its thing.

    Returns:
        `tuple[list[str], list[int]]`: the texts, all of `round(9 / (1 - ratio))` words, and their labels: 1 where the
        metal thing is held, 0 where the cloth one is.

    Raises:
        InputError: a value is outside its range.
    """
    _require(ratio, position)
    num_distractors = round(_STATEMENT_LENGTH / (1 - ratio)) - _STATEMENT_LENGTH
    _require_distance(distance, num_distractors // 2)
    generator = random.Random(seed)
    texts, labels = [], []
    for index in range(count):
        label = index % 2
        metal, cloth = generator.choice(_METAL), generator.choice(_CLOTH)
        held, missing = (metal, cloth) if label else (cloth, metal)
        container = generator.choice(_CONTAINERS)
        distractors = generator.choices(_DISTRACTORS, k=num_distractors)
        first, second = distractors[:distance], distractors[distance : 2 * distance]
        statement = ["the", container, "holds", *first, "a", held, "but", "not", *second, "a", missing]
        texts.append(_place(statement, distractors[2 * distance :], position, generator))
        labels.append(label)
    return texts, labels


GENERATORS: dict[str, Callable[..., tuple[list[str], list[int]]]] = {
    "released": released_texts,
    "paper": paper_texts,
    "matched": matched_texts,
}


def _require(ratio: float, position: str) -> None:
    if not 0 <= ratio < 1:
        raise InputError(f"ratio {ratio} is not in [0, 1): give the share of distractors, such as 0.8")
    if position not in POSITIONS:
        raise InputError(f"position {position!r} is not one of {', '.join(POSITIONS)}")


def _require_distance(distance: int, longest: int) -> None:
    if not 0 <= distance <= longest:
        raise InputError(
            f"distance {distance} is not between 0 and {longest}, which is what the distractors at this ratio allow"
        )


def _place(statement: Sequence[str], distractors: Sequence[str], position: str, generator: random.Random) -> str:
    places = {"start": 0, "middle": len(distractors) // 2, "end": len(distractors)}
    place = generator.randint(0, len(distractors)) if position == "random" else places[position]
    return " ".join([*distractors[:place], *statement, *distractors[place:]])
