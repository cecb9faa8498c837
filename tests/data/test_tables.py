import os

import pytest
from datasets import Dataset

from glot_hf.data.tables import load_table
from glot_hf.system.errors import InputError


ROWS = {"text": ['plain "quoted" text', "a, comma", "NA", "007"], "label": ["x", "y", "null", "1.0"]}


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_a_file_that_was_replaced_is_read_anew(tmp_path, suffix):
    """Whatever its time says, which a copy can keep."""
    path = tmp_path / f"table.{suffix}"
    for rows in (ROWS, {name: cells[::-1] for name, cells in ROWS.items()}):
        table = Dataset.from_dict(rows)
        match suffix:
            case "csv":
                table.to_csv(path)
            case "tsv":
                path.write_text("text\tlabel\n" + "".join(f"{row['text']}\t{row['label']}\n" for row in table))
            case "parquet":
                table.to_parquet(path)
            case _:
                table.to_json(path)
        os.utime(path, (1e9, 1e9))
        assert load_table(str(path)).to_dict() == rows


def test_names_for_a_file_without_a_header(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("gj04\t1\t\tA sentence.\ngj04\t0\t*\tSentence a.\n", encoding="utf-8")
    table = load_table(str(path), columns=("source", "label", "mark", "sentence"))
    assert table["sentence"][:] == ["A sentence.", "Sentence a."]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.csv", None, "there is no file"),
        ("nothing.csv", "", "is empty"),
        ("empty.jsonl", "", "is empty"),
        ("mixed.jsonl", '{"text": "a"}\n{"text": 1}', "the column 'text' cannot be read .* it holds int, str"),
        ("half.jsonl", '{"text": "\\ud800"}', "the column 'text' cannot be read .*surrogates not allowed"),
        ("broken.parquet", "not parquet", "cannot be read as Parquet"),
    ],
)
def test_mistakes_are_told(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_table(str(path))


def test_folders_of_a_parquet_file_are_no_columns(tmp_path):
    (tmp_path / "year=2020").mkdir()
    path = tmp_path / "year=2020" / "table.parquet"
    Dataset.from_dict(ROWS).to_parquet(path)
    assert load_table(str(path)).column_names == ["text", "label"]


def test_a_name_needs_a_network():
    with pytest.raises(InputError, match="neither a file nor a dataset"):
        load_table("someone/some-dataset")
