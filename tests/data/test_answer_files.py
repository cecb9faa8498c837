"""Answers on the disk: what each kind of file holds, read back by other libraries."""

import json

import pandas
import pyarrow
import pytest

from glot_hf.data.answer_files import require_free_columns, write_answers
from glot_hf.data.labels import Labels
from glot_hf.data.table_rows import TableRows
from glot_hf.system.errors import InputError


EXAMPLES = [{"id": "7", "review": 'fine, "really"\nfine'}, {"id": "9", "review": "awful ü"}]
ANSWERS = [
    {"label": "good", "score": 0.75, "scores": {"bad": 0.25, "good": 0.75}},
    {"label": "bad", "score": 0.5, "scores": {"bad": 0.5, "good": 0.5}},
]
CLASSES = Labels("single_label_classification", ("bad", "good"))
SCHEMA = pyarrow.schema([("id", pyarrow.string()), ("review", pyarrow.string())])


def write(path, answers, labels=CLASSES):
    """In two pieces."""
    rows = list(zip(EXAMPLES, answers))
    write_answers(path, [rows[:1], rows[1:]], SCHEMA, labels)


@pytest.mark.parametrize("suffix, read", [(".csv", pandas.read_csv), (".parquet", pandas.read_parquet)])
def test_tables_keep_the_columns_of_the_input(tmp_path, suffix, read):
    path = tmp_path / f"answers{suffix}"
    write(path, ANSWERS)
    table = read(path)
    assert list(table) == ["id", "review", "predicted", "probability", "p_bad", "p_good"]
    assert table["review"].tolist() == [row["review"] for row in EXAMPLES]
    assert table["predicted"].tolist() == ["good", "bad"] and table["p_good"].tolist() == [0.75, 0.5]


def test_json_lines(tmp_path):
    write(tmp_path / "answers.jsonl", ANSWERS)
    lines = (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [a | b for a, b in zip(EXAMPLES, ANSWERS)]


def test_scores_and_several_labels(tmp_path):
    write(tmp_path / "scores.csv", [{"score": 1.5}, {"score": -2.0}], Labels("regression"))
    assert pandas.read_csv(tmp_path / "scores.csv")["predicted"].tolist() == [1.5, -2.0]
    several = [{"labels": ["a", "b"], "scores": {"a": 0.9, "b": 0.8}}, {"labels": [], "scores": {"a": 0.1, "b": 0.2}}]
    write(tmp_path / "several.csv", several, Labels("multi_label_classification", ("a", "b")))
    assert [json.loads(cell) for cell in pandas.read_csv(tmp_path / "several.csv")["predicted"]] == [["a", "b"], []]


def test_a_column_is_not_overwritten(tmp_path):
    with pytest.raises(InputError, match="has a column 'p_good', as the answers do"):
        require_free_columns(tmp_path / "answers.csv", ["id", "p_good"], CLASSES)
    require_free_columns(tmp_path / "answers.csv", ["id", "label"], CLASSES)
    require_free_columns(tmp_path / "answers.jsonl", ["predicted"], CLASSES)


def test_types_of_the_input_are_kept(tmp_path):
    """Of Parquet its own; of JSON lines those that fit all rows, some of which lack a cell."""
    typed = pyarrow.table({"n": pyarrow.array([1, None], pyarrow.int16()), "tags": [["a"], []]})
    pyarrow.parquet.write_table(typed, tmp_path / "in.parquet")
    (tmp_path / "in.jsonl").write_text('{"n": 1}\n' * 1024 + '{"n": 0.5, "more": {"a": [1]}}\n{}\n')
    for name, types in (("in.parquet", ["int16", "list<element: string>"]), ("in.jsonl", ["double", None])):
        rows = TableRows(str(tmp_path / name))
        piece = [(cells, {"score": 1.0}) for _, cells in rows]
        write_answers(tmp_path / "out.parquet", [piece], rows.schema, Labels("regression"))
        found = pyarrow.parquet.read_table(tmp_path / "out.parquet")
        assert found.drop_columns("predicted").to_pylist() == [cells for _, cells in rows]
        assert [str(field.type) for field, expected in zip(found.schema, types) if expected] == [
            expected for expected in types if expected
        ]
