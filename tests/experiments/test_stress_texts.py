import hashlib
import re

import pytest

from glot_hf.experiments.stress import leak_check
from glot_hf.experiments.stress_texts import GENERATORS, POSITIONS, matched_texts, paper_texts, released_texts
from glot_hf.system.errors import InputError


RATIOS = [0.2, 0.5, 0.8, 0.9]


def lengths(texts, labels, label):
    return {len(text.split()) for text, its_label in zip(texts, labels) if its_label == label}


def words_of(texts, labels, label):
    return {word for text, its_label in zip(texts, labels) if its_label == label for word in text.split()}


@pytest.mark.parametrize("ratio", [0.0, *RATIOS])
def test_every_matched_text_has_the_asked_share_and_the_same_length(ratio):
    texts, labels = matched_texts(100, ratio, seed=0)
    (length,) = lengths(texts, labels, 0) | lengths(texts, labels, 1)
    assert 1 - 9 / length == pytest.approx(ratio, abs=0.02)
    assert labels.count(0) == labels.count(1) == 50


@pytest.mark.parametrize(
    ("ratio", "position", "distance"),
    [(0.0, "random", 0), *((0.9, position, distance) for position in POSITIONS for distance in (0, 20))],
)
def test_a_bag_of_words_and_the_length_know_nothing_of_matched_texts(ratio, position, distance):
    train, test = (matched_texts(1000, ratio, seed, position, distance) for seed in (1, 2))
    accuracies = leak_check(train, test)
    assert abs(accuracies["bag of words"] - 0.5) < 0.07  # over four standard deviations of a fair coin
    assert accuracies["length only"] == 0.5
    assert words_of(*train, 0) == words_of(*train, 1)


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_released_length_alone_tells_the_classes_apart(ratio):
    texts, labels = released_texts(200, ratio, seed=0)
    # The script counts a context as one word: it has three or four.
    assert lengths(texts, labels, 1) == {int(128 * ratio) + 4, int(128 * ratio) + 5}
    assert lengths(texts, labels, 0) == {int(128 * ratio) + 15, int(128 * ratio) + 16}
    assert leak_check((texts, labels), released_texts(200, ratio, seed=1))["length only"] == 1


def test_three_released_negators_stand_in_negatives_only():
    texts, labels = released_texts(400, 0.9, seed=0)
    only = words_of(texts, labels, 0) - words_of(texts, labels, 1)
    assert only == {"never", "without", "excluding"}
    assert leak_check((texts, labels), released_texts(400, 0.9, seed=1))["bag of words"] > 0.8


@pytest.mark.parametrize(("ratio", "share"), [(0.2, 0.86), (0.5, 0.94), (0.8, 0.96), (0.9, 0.97)])
def test_the_released_ratio_is_not_the_share_of_distractors(ratio, share):
    texts, labels = released_texts(200, ratio, seed=0)
    positives = [len(text.split()) for text, label in zip(texts, labels) if label == 1]
    assert int(128 * ratio) / (sum(positives) / len(positives)) == pytest.approx(share, abs=0.012)


@pytest.mark.parametrize(
    ("position", "distance", "ratio", "digest"),
    [
        ("random", 10, 0.9, "208b4fcb9c8e02ca"),
        ("middle", 10, 0.2, "b70af5b6f61fb628"),
        ("end", 3, 0.5, "e2f415a17e0ba28b"),
        ("start", 0, 0.8, "e9859768eaf0008c"),
        ("end", 40, 0.95, "9030c7afb734dab8"),  # statement and distractors are over 128: the distractors give way
    ],
)
def test_released_texts_are_those_of_the_released_script(position, distance, ratio, digest):
    """The digests are of what the script itself made from `random.seed(42)`, at its length of 128."""
    rows = (f"{label} {text}" for text, label in zip(*released_texts(50, ratio, 42, position, distance)))
    assert hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize("ratio", RATIOS)
def test_two_words_give_paper_texts_away_and_their_length_does_not(ratio):
    train, test = (paper_texts(400, ratio, seed) for seed in (1, 2))
    assert lengths(*train, 0) == lengths(*train, 1) == {round(256 * ratio) + 9}
    assert leak_check(train, test) == {"bag of words": 1.0, "length only": 0.5}
    assert words_of(*train, 0) ^ words_of(*train, 1) == {"but", "not", "and", "also"}


STATEMENTS = {
    "matched": r"the \w+ holds((?: \w+)*?) a \w+ but not((?: \w+)*?) a \w+",
    "paper": r"the \w+ has a \w+ (?:but not|and also)((?: \w+)*?) a \w+",
    "released": r"(?:the delivery contains|the folder includes|in the box are)"
    r"(?: (?:not|never|without|excluding)((?: \w+)*?))? (?:keys|reports|files|tickets|documents|alerts)",
}


@pytest.mark.parametrize("distance", [0, 5])
@pytest.mark.parametrize("name", GENERATORS)
def test_the_distance_is_between_the_parts_of_the_statement(name, distance):
    texts, _ = GENERATORS[name](50, 0.9, 0, distance=distance)
    gaps = [gap for text in texts for gap in re.search(STATEMENTS[name], text).groups()]
    # A released positive has no negator that could stand at a distance.
    assert {len(gap.split()) for gap in gaps if gap is not None} == {distance}
    assert (None in gaps) == (name == "released")


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("position", POSITIONS)
def test_the_statement_is_where_it_should_be(name, position):
    texts, _ = GENERATORS[name](200, 0.9, 0, position)
    matches = [re.search(STATEMENTS[name], text) for text in texts]
    before = [len(match.string[: match.start()].split()) for match in matches]
    after = [len(match.string[match.end() :].split()) for match in matches]
    if position == "start":
        assert set(before) == {0}
    elif position == "end":
        assert set(after) == {0}
    elif position == "middle":
        assert all(0 <= behind - ahead <= 1 for ahead, behind in zip(before, after))
    else:
        assert len(set(before)) > 50 and min(before) < 10 and min(after) < 10


@pytest.mark.parametrize("name", GENERATORS)
def test_the_seed_decides_everything(name):
    generate = GENERATORS[name]
    assert generate(10, 0.5, seed=3) == generate(10, 0.5, seed=3)
    assert generate(10, 0.5, seed=3) != generate(10, 0.5, seed=4)


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": -0.1}, "ratio -0.1 is not in"),
        ({"ratio": 1.0}, "ratio 1.0 is not in"),
        ({"ratio": float("nan")}, "ratio nan is not in"),
        ({"position": "left"}, "position 'left' is not one of start, middle, end, random"),
        ({"distance": -1}, "distance -1 is not between 0 and"),
        ({"distance": 200}, "distance 200 is not between 0 and"),
    ],
)
def test_a_value_outside_its_range_is_told(name, options, message):
    with pytest.raises(InputError, match=message):
        GENERATORS[name](2, **{"ratio": 0.5, "seed": 0} | options)


def test_a_ratio_that_leaves_no_room_in_the_length_of_the_paper_is_told():
    assert len(paper_texts(1, 0.96, seed=0)[0][0].split()) <= 256
    with pytest.raises(InputError, match="leaves no room for the statement in 256 words"):
        paper_texts(1, 0.97, seed=0)
