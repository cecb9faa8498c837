import pytest
from datasets import Dataset

from glot_hf.data.columns import choose_columns
from glot_hf.system.errors import InputError


def table(*names):
    """Texts in every column, longer ones the later the column."""
    return Dataset.from_dict(
        {name: [f"{name} {row} " * (index + 1) for row in range(12)] for index, name in enumerate(names)}
    )


def with_cells(names, **cells):
    """A table of texts, but for some columns, whose cells are repeated."""
    columns = table(*names).to_dict()
    return Dataset.from_dict(columns | {name: (some * 12)[:12] for name, some in cells.items()})


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
    assert choose_columns(table("title", "review", "label")) == ("review", "label", None)
    assert "not read: ['title'] (--text_pair_column" in capsys.readouterr().err
    choose_columns(table("title", "review", "label"), "title", "label", "review")
    assert "not read" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "pair", [("sentence1", "sentence2"), ("Premise", "Hypothesis"), ("text_a", "text_b"), ("question1", "question2")]
)
def test_two_texts_are_guessed_by_the_usual_names_of_pairs(pair, capsys):
    assert choose_columns(table("id", *pair, "label")) == (pair[0], "label", pair[1])
    error = capsys.readouterr().err
    assert f"pairs: '{pair[0]}', '{pair[1]}' (guessed; --text_column" in error and "not read: ['id']" in error
    assert choose_columns(table(*pair, "mood")) == (pair[0], "mood", pair[1])  # the only other one


@pytest.mark.parametrize(
    "pair",
    [
        ("product_a", "product_b"),
        ("text_1", "text_2"),
        ("left", "right"),
        ("Left_Title", "Right_Title"),
        ("item1_name", "item2_name"),
        ("first", "second"),
        ("utterance", "utterance_b"),
        ("text", "text_pair"),
        ("A", "B"),
    ],
)
def test_two_texts_are_guessed_by_what_their_names_differ_by(pair, capsys):
    names = ("id_1", "id_2", *pair, "label")
    cells = {"id_1": ["17", "18"], "id_2": ["x1", "x2", "x3"], "label": ["match", "no match"]}
    assert choose_columns(with_cells(names, **cells)) == (pair[0], "label", pair[1])
    assert f"pairs: '{pair[0]}', '{pair[1]}' (guessed" in capsys.readouterr().err


def test_one_word_is_a_text_where_there_are_no_longer_ones():
    words = {name: [f"{name}{row}" for row in range(12)] for name in ("word_a", "word_b")}
    assert choose_columns(with_cells(("word_a", "word_b", "label"), **words)) == ("word_a", "label", "word_b")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"speaker_a": ["the agent", "a customer"], "speaker_b": ["a customer"]}, "utterance"),
        ({"score_1": ["1.5", "2"], "score_2": ["2", "3"]}, "utterance"),
        ({"id_1": [f"x{i}" for i in range(12)], "id_2": [f"y{i}" for i in range(12)]}, "utterance"),
        ({"day": [f"2020-01-{day}" for day in range(10, 22)], "speaker": ["the agent", "a customer"]}, "utterance"),
    ],
)
def test_columns_of_other_things_are_no_second_text(cells, expected):
    """Nor is a label that is longer than the texts the first."""
    names = ("utterance", *cells, "label")
    assert choose_columns(with_cells(names, **cells)) == (expected, "label", None)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("title", "body", "label"), r"several columns hold texts, \['title', 'body'\]: name the one"),
        (("title_a", "title_b", "body_a", "body_b", "label"), r"\('title_a', 'title_b'\) or \('body_a', 'body_b'\)"),
        (("text", "option_a", "option_b", "label"), r"\('option_a', 'option_b'\) or text: name them"),
    ],
)
def test_texts_that_may_be_meant_are_not_chosen_from(names, message):
    with pytest.raises(InputError, match=message):
        choose_columns(table(*names))
    assert choose_columns(table(*names), names[1]) == (names[1], "label", None)


def test_a_text_that_is_named_is_alone():
    assert choose_columns(table("premise", "hypothesis", "label"), text="premise") == ("premise", "label", None)
    assert choose_columns(table("premise", "hypothesis"), label="premise") == ("hypothesis", "premise", None)


def test_a_missing_column_is_told():
    with pytest.raises(InputError, match=r"'nope' for --text_column: the columns are \['a', 'b'\]"):
        choose_columns(table("a", "b"), text="nope")
    with pytest.raises(InputError, match="'nope' for --label_column"):
        choose_columns(table("a", "b"), label="nope")


def test_the_only_column_of_few_classes_is_the_label(capsys):
    rows = range(60)
    table = Dataset.from_dict(
        {
            "id": [str(1000 + row) for row in rows],
            "created": [f"2025-01-{1 + row % 28:02}" for row in rows],
            "ticket": [f"my account is locked after {row} attempts" for row in rows],
            "team": [["login", "billing", "shop"][row % 3] for row in rows],
        }
    )
    assert choose_columns(table) == ("ticket", "team", None)
    said = capsys.readouterr().err
    assert "label column: 'team' (guessed" in said and "not read: ['id', 'created']" in said
    with pytest.raises(InputError, match=r"the label may be any of \['team', 'site'\]: name it with --label_column"):
        choose_columns(table.add_column("site", [["a", "b"][row % 2] for row in rows]))


def test_what_cannot_be_guessed_is_asked_for():
    with pytest.raises(InputError, match="name it with --label_column"):
        choose_columns(table("text", "mood", "shop"))
    with pytest.raises(InputError, match="name it with --label_column"):
        choose_columns(table("text"))
    with pytest.raises(InputError, match="name it with --text_column"):
        choose_columns(Dataset.from_dict({"n": [1, 2], "label": [0, 1]}))
