"""Tables, which are trained and judged on, and texts that are embedded row by row, are read alike."""

import json

import pyarrow
import pyarrow.parquet
import pytest

from glot_hf.data.tables import load_table
from glot_hf.embeddings.text_files import TextFiles
from glot_hf.system.errors import InputError


READERS = [
    pytest.param(lambda path: load_table(path)["text"][:], id="table"),
    pytest.param(lambda path: [row.text for row in TextFiles([path])], id="embedded"),
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.csv", "text\na\n\nb\n\n", ["a", "", "b", ""]),
        ("a.tsv", "text\r\n\r\na\r\n", ["", "a"]),
        ("a.csv", "\ntext,n\na,1\n\n,2\n\n", ["a", ""]),  # with more columns, an empty line has no cells
        ("a.csv", 'text,n\n"two\nlines, ""quoted""",1\nNA,2\n', ['two\nlines, "quoted"', "NA"]),
        ("a.csv", "text,n\ra,1\rb,2\r", ["a", "b"]),
        ("a.csv", 'text\n"a\rb"\nc', ["a\rb", "c"]),
        ("reviews[1].csv", "text,n\na,1\n", ["a"]),
        (
            "*?.jsonl",
            '\ufeff{"text": "2024-05-01"}\n\n{"text": "2024-05-01T12:00:00"}',
            ["2024-05-01", "2024-05-01T12:00:00"],
        ),
        ("a.json", '[\n {"text": "a"},\n {"text": "b", "n": 1}\n]\n', ["a", "b"]),
    ],
)
def test_every_row_stays_what_it_is(tmp_path, read, name, content, texts):
    (tmp_path / "reviews1.csv").write_text("text,n\nanother file,1\n")  # which the name would match as a pattern
    path = tmp_path / name
    path.write_bytes(content.encode())
    assert read(str(path)) == texts


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "n,text\n1,a\nwas too long\n", "a.csv, line 3: has 1 cells for the 2 columns ['n', 'text']"),
        ("a.tsv", 'n\ttext\n1\ta\n2\t"b\tc\n', "a.tsv, line 3: has 3 cells for the 2 columns"),
        ("a.csv", 'text,n\n"a\nb",1\nc\n', "a.csv, line 4: has 1 cells"),
        ("a.csv", 'text,n\na,1\n"b,2\nc,3\n', "a.csv, line 3: unexpected end of data; a quoted cell ends with"),
        ("a.csv", "text,n,text\na,1,b\n", "names a column twice: ['text', 'n', 'text']"),
        ("a.csv", "text\n", "is empty"),
        ("a.csv", "\ufeff", "is empty"),
        ("a.jsonl", '{"text": "a"}\n{"text"\n', "a.jsonl, line 2: is not JSON"),
        ("a.jsonl", '{"text": "a"}\n["b"]\n', "a.jsonl, line 2: holds list"),
        ("a.json", '[{"text": "a"}, "b"]\n', "a.json, row 2: holds str"),
        ("a.json", '[{"text": "a"}\n', "begins like an array, but is not JSON"),
        ("a.csv", "text\na\rb\nc\n", "a.csv, line 2: some rows end with a lone carriage return"),
        (
            "a.jsonl",
            '{"text": "a", "n": ' + "[" * 3000 + "]" * 3000 + "}\n",
            "a.jsonl, line 1: is not JSON (maximum rec",
        ),
        ("a.json", '[{"n": ' + "[" * 3000 + "]" * 3000 + "}]\n", "is not JSON (maximum recursion"),
        ("a.jsonl", '{"text": "a", "n": 1, "n": 2}\n', "a.jsonl, line 1: is not JSON (the key 'n' is given twice)"),
        ("a.json", '[{"text": "a", "text": "b"}]\n', "is not JSON (the key 'text' is given twice)"),
        ("a.xls", "x", "(save the sheet as .xlsx, or as CSV in UTF-8)"),
        ("a.doc", "x", "is of an unknown kind: valid are "),
    ],
)
def test_mistakes_are_named_by_their_place(tmp_path, read, name, content, message):
    path = tmp_path / name
    path.write_bytes(content.encode())
    with pytest.raises(InputError) as error:
        read(str(path))
    assert message in str(error.value)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("place", [2, 700])
@pytest.mark.parametrize(
    ("name", "header", "row"), [("latin.csv", "text,label\n", "{},1\n"), ("latin.jsonl", "\n", '{{"text": "{}"}}\n')]
)
def test_other_encodings_are_told_by_their_line(tmp_path, read, name, header, row, place):
    path = tmp_path / name
    lines = [header, *(row.format("caf\u00e9" if line == place else "tea") for line in range(2, 1000))]
    path.write_bytes("".join(lines).encode("latin-1"))
    with pytest.raises(InputError, match=f"is not UTF-8 text: line {place} holds .*; save it as UTF-8"):
        read(str(path))


def test_a_column_may_begin_late(tmp_path):
    """After more than any reader takes at once."""
    path = tmp_path / "a.jsonl"
    rows = [{"query": "q " * 5_000, "neg": []} if row else {"query": "q"} for row in range(1_200)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"query": "last", "neg": ["n"]}]))
    table = load_table(str(path))
    assert len(table) == 1_201 and table["neg"][0] is None and table[1_200] == {"query": "last", "neg": ["n"]}


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("names", [["text", "text"], ["text", "n", "n"]])
def test_a_parquet_file_that_names_a_column_twice(tmp_path, read, names):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array(["a"])] * len(names), names), path)
    with pytest.raises(InputError, match="names a column twice"):
        read(str(path))
