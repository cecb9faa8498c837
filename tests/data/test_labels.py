import pytest

from glot_hf.data.labels import Labels, learn_labels, shorten
from glot_hf.system.errors import InputError


@pytest.mark.parametrize(
    ("cells", "problem_type", "names"),
    [
        (["b", "a", "b"], "single_label_classification", ("a", "b")),
        (["10", "9", "2"], "single_label_classification", ("2", "9", "10")),
        ([0, 1, 1], "single_label_classification", ("0", "1")),
        ([True, False], "single_label_classification", ("False", "True")),
        (["word", "3", "20"], "single_label_classification", ("3", "20", "word")),
        (["0.5", "1", "2"], "regression", ()),
        ([0.5, 1.0], "regression", ()),
        ([["a"], ["a", "b"], []], "multi_label_classification", ("a", "b")),
    ],
)
def test_the_problem_is_found_from_the_labels(cells, problem_type, names):
    assert learn_labels(cells, "file") == Labels(problem_type, names)


def test_the_problem_can_be_given():
    assert learn_labels(["1", "2"], "file", "regression") == Labels("regression")
    for cells in (["a, b", "b"], ["[ham]", "[spam]"], ["(a)", "(b)"]):
        assert learn_labels(cells, "file", "single_label_classification").names == tuple(cells)
    assert learn_labels([["a"], ["b"]], "file", "single_label_classification").names == ("a", "b")


@pytest.mark.parametrize("problem_type", [None, "multi_label_classification"])
@pytest.mark.parametrize(
    "cells",
    [
        ['["billing", "bug"]', '["bug"]', "[]"],
        ["['billing', 'bug']", "['bug']", "[]"],
        ["('billing', 'bug')", "('bug',)", "()"],
        [["billing", "bug"], ["bug"], []],
        ["billing|bug", "bug", " "],
        ["billing ; bug", "bug", ""],
        ["billing, bug", "bug,", ","],
    ],
)
def test_several_labels_in_a_cell(cells, problem_type):
    """Where no list says so, they are read if they are asked for, and refused otherwise."""
    if problem_type is None and cells[1].__class__ is str and cells[1][0] not in "[(":
        with pytest.raises(InputError, match="the label 'billing.*bug' looks like several"):
            learn_labels(cells[:2], "file")
        return
    labels = learn_labels(cells, "file", problem_type)
    assert labels.names == ("billing", "bug")
    assert labels.encode(cells, "file") == [[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    # What another file separates otherwise is known by its names.
    assert labels.encode(["bug|billing", "bug,billing", '["bug"]'], "file") == [[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("cells", "problem_type", "message"),
    [
        (["['a' 'b']", "['a']"], None, "row 1: the label \"['a' 'b']\" looks like a list, but is neither"),
        (["[1 0]", "[0 1]"], "multi_label_classification", "row 1: the label '[1 0]' looks like a list"),
        (["[ham]", "[spam]"], None, "(--problem_type single_label_classification takes each cell as one class)"),
        (["[1, 0]", "[0, 1]"], None, "'[1, 0]' looks like one 0 or 1 for each class"),
        (["1,0", "0,1"], "multi_label_classification", "a column for each class with --label_columns"),
        ([[0, 1, 0], [1, 1, 0]], None, "[0, 1, 0] looks like one 0 or 1 for each class"),
        ([{"a": 1}, {"b": 1}], None, "is a mapping"),
        ([["a"], [None]], None, "row 2: the label [None] holds None"),
        (['["a", "b"]', "a"], "single_label_classification", "row 1: holds 2 labels (a, b)"),
        (["a|b", "a", "a,b", "b"], "multi_label_classification", "the label 'a,b' looks like several"),
        (["a", float("nan")], "multi_label_classification", "row 2: the label is absent"),
    ],
)
def test_labels_that_might_be_combinations_are_refused(cells, problem_type, message):
    with pytest.raises(InputError) as error:
        learn_labels(cells, "file", problem_type)
    assert message in str(error.value)


def test_encoding():
    assert Labels("single_label_classification", ("a", "b")).encode(["b", " a "], "file") == [1, 0]
    assert Labels("regression").encode(["1.5", 2], "file") == [1.5, 2.0]
    multi = Labels("multi_label_classification", ("a", "b", "c"))
    assert multi.encode([["c", "a"], [], "b|c"], "file") == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]]


@pytest.mark.parametrize("absent", [None, "", "  ", float("nan")])
def test_absent_labels_are_told_with_their_rows(absent):
    with pytest.raises(InputError, match="train.csv, row 2: the label is absent; fill it in"):
        learn_labels(["a", absent, "b"], "train.csv")
    with pytest.raises(InputError, match="dev.csv, rows 2, 3, 5: the label is absent; fill them in"):
        Labels("single_label_classification", ("a", "b")).encode(["a", absent, absent, "b", absent], "dev.csv")


def test_other_mistakes_are_told_with_their_row():
    with pytest.raises(InputError, match="row 2: the label 'abc' is not a finite number"):
        learn_labels(["1.5", "abc"], "file", "regression")
    with pytest.raises(InputError, match="row 1: the label 'inf' is not a finite number"):
        Labels("regression").encode(["inf"], "file")
    with pytest.raises(InputError, match="rows 3, 4: the label 'c' is not one of the classes a, b"):
        Labels("single_label_classification", ("a", "b")).encode(["a", "b", "c", "d"], "file")


def test_numbers_that_are_not_finite_do_not_become_classes():
    with pytest.raises(InputError, match="row 2: the label 'nan' is not a finite number"):
        learn_labels(["0.5", "nan", "0.7"], "file")
    with pytest.raises(InputError, match="row 1"):
        learn_labels(["1" * 400, "0.5"], "file")


def test_one_class_is_told():
    with pytest.raises(InputError, match="one class only, 'a'"):
        learn_labels(["a", "a"], "file")


def test_config_options_name_the_classes():
    options = Labels("single_label_classification", ("a", "b")).config_options
    assert options["id2label"] == {0: "a", 1: "b"} and options["label2id"] == {"a": 0, "b": 1}
    assert Labels("regression").config_options == {"problem_type": "regression", "num_labels": 1}


def test_long_lists_of_classes_are_shortened():
    assert shorten(tuple("abc")) == "a, b, c"
    assert shorten(tuple(str(number) for number in range(100)), limit=2) == "0, 1, ... (100 in all)"
