"""Queries, positives and negatives as files have them, and as batches hold them."""

import pytest
import torch
from datasets import Dataset

from glot_hf.data import HiddenStateCache
from glot_hf.data.text_groups import GroupCollator, GroupDataset, TextGroups, distinct_texts, read_groups
from glot_hf.states.running import HiddenStateCollator
from glot_hf.system.errors import InputError


def test_one_group_a_positive_and_the_first_negatives():
    table = Dataset.from_dict({"q": ["a", "b"], "p": [["c", "d"], ["e"]], "n": [["f", "g", "h"], []]})
    read = read_groups(table, "q", "p", "n", num_negatives=2, where="file")
    assert read.groups == [["a", "c", "f", "g"], ["a", "d", "f", "g"], ["b", "e", "e", "e"]]
    assert read_groups(table, "q", "p", "n", 0, "file").groups == [["a", "c"], ["a", "d"], ["b", "e"]]


def test_empty_texts_are_said(capsys):
    table = Dataset.from_dict({"q": ["a", " "], "p": [["c", ""], ["e"]]})
    read_groups(table, "q", "p", None, 1, "file")
    assert capsys.readouterr().err.splitlines() == [
        "warning: file, row 2: 'q' is an empty text",
        "warning: file, row 1: 'p' is an empty text",
    ]


def test_a_query_that_is_held_out_is_in_no_other_row():
    groups = TextGroups([[f"query {row % 20}", f"positive {row}"] for row in range(60)])
    train, held_out = groups.hold_out(0.1, seed=0)
    assert sorted([*train, *held_out]) == list(range(60)) and len(held_out) == 6
    queries = [{groups.groups[row][0] for row in part} for part in (train, held_out)]
    assert not queries[0] & queries[1]
    assert groups.hold_out(0.1, seed=0) == (train, held_out) != groups.hold_out(0.1, seed=1)
    with pytest.raises(InputError, match="one query only"):
        groups.select([0, 20, 40]).hold_out(0.1, seed=0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"q": ["a", None], "p": ["b", "c"], "n": ["d", "e"]}, "file, row 2: 'q' holds None"),
        ({"q": ["a"], "p": [[]], "n": [["d"]]}, "file, row 1: 'p' is empty"),
        ({"q": ["a"], "p": [["b"]], "n": [["d", None]]}, "file, row 1: 'n' holds None"),
        ({"q": [["a", "b"]], "p": ["c"], "n": ["d"]}, "file, row 1: 'q' holds ['a', 'b']"),
    ],
)
def test_cells_that_are_no_text(columns, message):
    with pytest.raises(InputError) as caught:
        read_groups(Dataset.from_dict(columns), "q", "p", "n", 1, "file")
    assert message in str(caught.value)


def test_a_batch_holds_the_states_of_its_texts_in_order(tiny_bert, tokenizer, tmp_path):
    groups = TextGroups([["w1 w2", "w3", "w4 w5 w6"], ["w3", "w1 w2", "w7"]], scores=[0.5, 1.0])
    texts = distinct_texts([groups])
    cache = HiddenStateCache.build(tiny_bert, tokenizer, {"text": texts}, root=tmp_path)
    dataset = GroupDataset(groups, texts, cache)
    assert dataset.lengths == [6, 4]
    batch = GroupCollator(HiddenStateCollator())([dataset[0], dataset[1]])
    states = dict(zip(texts, (cache[number]["hidden_states"] for number in range(len(texts)))))
    flat = [text for group in groups.groups for text in group]
    for text, padded, mask in zip(flat, batch["hidden_states"], batch["attention_mask"]):
        assert torch.equal(padded[mask.bool()], states[text])
    assert [[texts[number] for number in row] for row in batch["text_ids"].tolist()] == groups.groups
    assert batch["labels"].tolist() == [0.5, 1.0]
