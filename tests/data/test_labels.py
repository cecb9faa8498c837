import pytest

from glot_hf.data.labels import Labels, learn_labels, shorten
from glot_hf.errors import InputError


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
    assert learn_labels(["a|b", "b", "a | c"], "file", "multi_label_classification").names == ("a", "b", "c")


def test_encoding():
    assert Labels("single_label_classification", ("a", "b")).encode(["b", " a "], "file") == [1, 0]
    assert Labels("regression").encode(["1.5", 2], "file") == [1.5, 2.0]
    multi = Labels("multi_label_classification", ("a", "b", "c"))
    assert multi.encode([["c", "a"], [], "b|c"], "file") == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]]


@pytest.mark.parametrize("absent", [None, "", "  ", float("nan")])
def test_an_absent_label_is_told_with_its_row(absent):
    with pytest.raises(InputError, match="train.csv, row 2: the label is absent"):
        learn_labels(["a", absent, "b"], "train.csv")
    with pytest.raises(InputError, match="row 2"):
        Labels("single_label_classification", ("a", "b")).encode(["a", absent], "dev.csv")


def test_other_mistakes_are_told_with_their_row():
    with pytest.raises(InputError, match="row 2: the label 'abc' is not a finite number"):
        learn_labels(["1.5", "abc"], "file", "regression")
    with pytest.raises(InputError, match="row 1: the label 'inf' is not a finite number"):
        Labels("regression").encode(["inf"], "file")
    with pytest.raises(InputError, match="row 3: the label 'c' is not one of the classes a, b"):
        Labels("single_label_classification", ("a", "b")).encode(["a", "b", "c"], "file")


def test_numbers_that_are_not_finite_do_not_become_classes():
    with pytest.raises(InputError, match="row 2: the label 'nan' is not a finite number"):
        learn_labels(["0.5", "nan", "0.7"], "file")
    with pytest.raises(InputError, match="row 1"):
        learn_labels(["1" * 400, "0.5"], "file")


def test_a_text_may_have_no_label_where_it_may_have_several():
    labels = learn_labels(["a|b", "", "b"], "file", "multi_label_classification")
    assert labels.encode(["", "a"], "file") == [[0.0, 0.0], [1.0, 0.0]]


def test_indicator_lists_are_told():
    with pytest.raises(InputError, match=r"\[0, 1, 0\] looks like one 0 or 1 for each class"):
        learn_labels([[0, 1, 0], [1, 1, 0]], "file")


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
