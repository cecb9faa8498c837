import pytest
from datasets import Dataset

from glot_hf.data.columns import choose_columns
from glot_hf.errors import InputError


def table(*names):
    return Dataset.from_dict({name: [f"{name} " * (index + 1)] * 3 for index, name in enumerate(names)})


def test_named_columns_are_taken_without_a_word(capsys):
    assert choose_columns(table("a", "b", "c"), "a", "c") == ("a", "c", None)
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
    assert choose_columns(table(*names)) == (*expected, None)
    captured = capsys.readouterr()
    assert captured.out == ""  # predictions may go there
    assert "--text_column" in captured.err and "--label_column" in captured.err


def test_text_that_is_not_read_is_said(capsys):
    assert choose_columns(table("first", "second", "label"), label="label") == ("second", "label", None)
    assert "not read: ['first'] (--text_pair_column" in capsys.readouterr().err
    choose_columns(table("first", "second", "label"), "first", "label", "second")
    assert "not read" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "pair", [("sentence1", "sentence2"), ("Premise", "Hypothesis"), ("text_a", "text_b"), ("question1", "question2")]
)
def test_two_texts_are_guessed_by_the_usual_names_of_pairs(pair, capsys):
    assert choose_columns(table("id", *pair, "label")) == (pair[0], "label", pair[1])
    error = capsys.readouterr().err
    assert f"pairs: '{pair[0]}', '{pair[1]}' (guessed; --text_column" in error and "not read: ['id']" in error
    assert choose_columns(table(*pair, "mood")) == (pair[0], "mood", pair[1])  # the only other one


def test_a_text_that_is_named_is_alone():
    assert choose_columns(table("premise", "hypothesis", "label"), text="premise") == ("premise", "label", None)
    assert choose_columns(table("premise", "hypothesis"), label="premise") == ("hypothesis", "premise", None)


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
