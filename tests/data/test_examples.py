import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from glot_hf.data.examples import PairCollator, label_cells, make_examples, tokenize
from glot_hf.data.labels import Labels
from glot_hf.system.errors import InputError


LABELS = Labels("single_label_classification", ("bad", "good"))


def test_class_names_of_a_dataset_are_used():
    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    table = Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    assert label_cells(table, "label") == ["good", "bad"]


def test_class_names_of_lists_are_used():
    features = Features({"text": Value("string"), "labels": List(ClassLabel(names=["a", "b"]))})
    table = Dataset.from_dict({"text": ["x", "y"], "labels": [[0, 1], []]}, features=features)
    assert label_cells(table, "labels") == [["a", "b"], []]


def test_a_cell_that_is_not_text_is_told_with_its_row():
    table = Dataset.from_dict({"text": ["a", None, None], "label": ["bad", "good", "good"]})
    with pytest.raises(InputError, match="rows.jsonl, rows 2, 3: 'text' holds None"):
        make_examples(table, "text", "label", LABELS, "rows.jsonl")


def test_cut_texts_are_counted(minilm_tokenizer, capsys):
    examples = Dataset.from_dict({"text": ["short", "word " * 50], "labels": [0, 1]})
    tokenized = tokenize(examples, minilm_tokenizer, max_length=16)
    assert len(tokenized["input_ids"][1]) == 16
    assert "1 of 2 texts" in capsys.readouterr().err


@pytest.mark.parametrize("side", ["left", "right"])
def test_pairs_are_padded_each_to_its_own_longest(minilm_tokenizer, side):
    minilm_tokenizer.padding_side = side
    examples = Dataset.from_dict(
        {"text": ["one two three four", "one"], "text_pair": ["one", "one two"], "labels": [0, 1]}
    )
    tokenized = tokenize(examples, minilm_tokenizer, max_length=16)
    batch = PairCollator(minilm_tokenizer)([tokenized[0], tokenized[1]])
    minilm_tokenizer.padding_side = "right"
    assert batch["input_ids"].shape == (2, 6) and batch["input_ids_b"].shape == (2, 4)
    assert batch["attention_mask_b"].sum(dim=1).tolist() == [3, 4]
    assert batch["attention_mask_b"][0].tolist() == ([0, 1, 1, 1] if side == "left" else [1, 1, 1, 0])
    assert batch["labels"].tolist() == [0, 1]
