import pytest
from datasets import Dataset

from glot_hf.data.columns import choose_columns
from glot_hf.errors import InputError


def table(*names):
    return Dataset.from_dict({name: [f"{name} " * (index + 1)] * 3 for index, name in enumerate(names)})


def test_named_columns_are_taken_without_a_word(capsys):
    assert choose_columns(table("a", "b", "c"), "a", "c") == ("a", "c")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("label", "text"), ("text", "label")),
        (("idx", "Sentence", "Label"), ("Sentence", "Label")),
        (("intent", "utterance"), ("utterance", "intent")),
        (("mood", "film review"), ("film review", "mood")),
    ],
)
def test_guesses_are_said(names, expected, capsys):
    assert choose_columns(table(*names)) == expected
    captured = capsys.readouterr()
    assert captured.out == ""  # predictions may go there
    assert "--text_column" in captured.err and "--label_column" in captured.err


def test_text_that_is_not_read_is_said(capsys):
    assert choose_columns(table("sentence1", "sentence2", "label")) == ("sentence2", "label")
    assert "not read: ['sentence1'] (--text_pair_column" in capsys.readouterr().err
    choose_columns(table("sentence1", "sentence2", "label"), "sentence1", None, "sentence2")
    assert "not read" not in capsys.readouterr().err


def test_a_missing_column_is_told():
    with pytest.raises(InputError, match=r"'nope' for --text_column: the columns are \['a', 'b'\]"):
        choose_columns(table("a", "b"), text="nope")
    with pytest.raises(InputError, match="'nope' for --label_column"):
        choose_columns(table("a", "b"), label="nope")


def test_what_cannot_be_guessed_is_asked_for():
    with pytest.raises(InputError, match="name it with --label_column"):
        choose_columns(table("text", "a", "b"))
    with pytest.raises(InputError, match="name it with --label_column"):
        choose_columns(table("text"))
    with pytest.raises(InputError, match="name it with --text_column"):
        choose_columns(Dataset.from_dict({"n": [1, 2], "label": [0, 1]}))
