"""Answers on the disk: what each kind of file holds, read back by other libraries."""

import json

import pandas
import pytest

from glot_hf.data.answer_files import require_free_columns, write_answers
from glot_hf.system.errors import InputError


EXAMPLES = [{"id": "7", "review": 'fine, "really"\nfine'}, {"id": "9", "review": "awful ü"}]
ANSWERS = [
    {"label": "good", "score": 0.75, "scores": {"bad": 0.25, "good": 0.75}},
    {"label": "bad", "score": 0.5, "scores": {"bad": 0.5, "good": 0.5}},
]


@pytest.mark.parametrize("suffix, read", [(".csv", pandas.read_csv), (".parquet", pandas.read_parquet)])
def test_tables_keep_the_columns_of_the_input(tmp_path, suffix, read):
    path = tmp_path / f"answers{suffix}"
    write_answers(path, EXAMPLES, ANSWERS)
    table = read(path)
    assert list(table) == ["id", "review", "predicted", "probability", "p_bad", "p_good"]
    assert table["review"].tolist() == [row["review"] for row in EXAMPLES]
    assert table["predicted"].tolist() == ["good", "bad"] and table["p_good"].tolist() == [0.75, 0.5]


def test_json_lines(tmp_path):
    write_answers(tmp_path / "answers.jsonl", EXAMPLES, ANSWERS)
    lines = (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [a | b for a, b in zip(EXAMPLES, ANSWERS)]


def test_scores_and_several_labels(tmp_path):
    write_answers(tmp_path / "scores.csv", EXAMPLES, [{"score": 1.5}, {"score": -2.0}])
    assert pandas.read_csv(tmp_path / "scores.csv")["predicted"].tolist() == [1.5, -2.0]
    several = [{"labels": ["a", "b"], "scores": {"a": 0.9, "b": 0.8}}, {"labels": [], "scores": {"a": 0.1, "b": 0.2}}]
    write_answers(tmp_path / "several.csv", EXAMPLES, several)
    assert [json.loads(cell) for cell in pandas.read_csv(tmp_path / "several.csv")["predicted"]] == [["a", "b"], []]


def test_a_column_is_not_overwritten(tmp_path):
    with pytest.raises(InputError, match="has a column 'p_good', as the answers do"):
        require_free_columns(tmp_path / "answers.csv", ["id", "p_good"], ["bad", "good"])
    require_free_columns(tmp_path / "answers.csv", ["id", "label"], ["bad", "good"])
    require_free_columns(tmp_path / "answers.jsonl", ["predicted"], ["bad", "good"])
