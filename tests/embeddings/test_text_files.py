"""Rows of every kind of file, in order; mistakes are named by their place."""

import json

import pyarrow
import pytest
from pyarrow.parquet import write_table

from glot_hf.embeddings.text_files import TextFiles
from glot_hf.system.errors import InputError


TEXTS = ["plain", "", 'with "quotes", a comma and a\ttab', "ünïcödé \u2028 separator", "a lone \r return"]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def read(*paths, **options):
    return list(TextFiles(list(paths), **options))


def test_lines(tmp_path):
    path = write(tmp_path / "a.txt", "\ufeff" + "".join(f"{text}\r\n" for text in TEXTS))
    assert read(path) == list(enumerate(TEXTS))
    assert read(path, write(tmp_path / "b.TXT", "no end")) == list(enumerate([*TEXTS, "no end"]))


def test_files_with_columns(tmp_path):
    rows = [{"key": f"k{number}", "text": text} for number, text in enumerate(TEXTS[:-1])]
    lines = write(tmp_path / "a.jsonl", "\n\n".join(json.dumps(row) for row in rows))
    quoted = "".join('{},"{}"\r\n'.format(row["key"], row["text"].replace('"', '""')) for row in rows)
    commas = write(tmp_path / "a.csv", "key,text\r\n" + quoted)
    write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=2)
    for path in (lines, commas, str(tmp_path / "a.parquet")):
        assert read(path, id_column="key") == [tuple(row.values()) for row in rows]
        assert read(path, text_column="key") == [(number, row["key"]) for number, row in enumerate(rows)]
    tabs = write(tmp_path / "a.tsv", 'a\ttext\n1\t"half\n')  # a quote is a plain character
    assert read(lines, tabs)[-1] == (4, '"half')


def test_numbers_may_be_ids(tmp_path):
    assert read(write(tmp_path / "a.jsonl", '{"text": "a", "n": 7}'), id_column="n") == [("7", "a")]


def test_null_is_an_empty_text(tmp_path):
    lines = write(tmp_path / "a.jsonl", '{"text": null, "n": 7}\n{"text": "a", "n": 8}\n')
    table = pyarrow.table({"text": ["a", None, " \n"]})
    write_table(table, tmp_path / "a.parquet")
    rows = read(lines, str(tmp_path / "a.parquet"))
    assert [row.text for row in rows] == ["", "a", "a", "", " \n"]
    assert [row.is_blank for row in rows] == [True, False, False, True, True]
    assert read(lines, id_column="n") == [("7", ""), ("8", "a")]


def test_chunks(tmp_path):
    texts = TextFiles([write(tmp_path / "a.txt", "a\nb\nc\nd\ne\n")])
    chunks = [[row.text for row in chunk] for chunk in texts.chunks(2)]
    assert chunks == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "is empty"),
        ("a.txt", b"good\nna\xefve\n", "is not UTF-8 text: line 2 holds b'\\xef'"),
        (
            "a.csv",
            "body\nx\n",
            "no column 'text': --text_column, --text_template and",
        ),
        ("a.jsonl", '{"text": "a"}\n{"body": "b"}\n', "line 2: there is no column 'text'"),
        ("a.jsonl", '{"text": "a"}\n\n{"text": 3}\n', "line 3: 'text' holds 3, which is not text"),
        ("a.jsonl", '{"text": "a"}\n{"text": "\\ud800"}\n', "line 2: 'text' cannot be written as UTF-8"),
        ("a.parquet", "PAR1", "cannot be read as Parquet"),
    ],
)
def test_mistakes(tmp_path, name, content, message):
    with pytest.raises(InputError) as error:
        read(write(tmp_path / name, content))
    assert message in str(error.value)


def test_mistakes_of_ids(tmp_path):
    lines = write(tmp_path / "a.txt", "a\n")
    with pytest.raises(InputError, match="a .txt file holds texts alone"):
        read(lines, id_column="key")
    with pytest.raises(InputError, match="line 1: 'key' is empty: give every row an id"):
        read(write(tmp_path / "a.jsonl", '{"text": "a", "key": null}'), id_column="key")
    with pytest.raises(InputError, match="there is no file"):
        read("nowhere.txt")
