import pytest
from datasets import Dataset

from glot_hf.data.tables import load_table
from glot_hf.errors import InputError


ROWS = {"text": ['plain "quoted" text', "a, comma", "NA", "007"], "label": ["x", "y", "null", "1.0"]}


@pytest.fixture
def table():
    return Dataset.from_dict(ROWS)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json", "parquet"])
def test_what_is_written_is_read(tmp_path, table, suffix):
    path = str(tmp_path / f"table.{suffix}")
    {"csv": table.to_csv, "parquet": table.to_parquet}.get(suffix, table.to_json)(path)
    assert load_table(path).to_dict() == ROWS


def test_quotes_in_tsv_files_are_plain_characters(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text('text\tlabel\nan "open quote\t1\n"another\t0\n', encoding="utf-8")
    assert load_table(str(path))["text"][:] == ['an "open quote', '"another']


def test_a_byte_order_mark_is_not_part_of_a_name(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\na,1\n")
    assert load_table(str(path)).column_names == ["text", "label"]


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
        ("mark.csv", "\ufeff", "is empty"),
        ("header.csv", "text,label\n", "is empty"),
        ("empty.jsonl", "", "is empty"),
        ("table.xlsx", "x", "unknown kind"),
        ("wide.csv", "text,label\na,1,extra\n", "3 cells for the 2 columns"),
        ("ragged.csv", "text,label\na,1\nb,2,extra\n", "cannot be read"),
        ("twice.csv", "text,text\na,1\n", "twice"),
        ("broken.jsonl", '{"text": "a"}\n{"text": ', "cannot be read"),
        ("broken.parquet", "not parquet", "cannot be read"),
    ],
)
def test_mistakes_are_told(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_table(str(path))


@pytest.mark.parametrize("place", [2, 700])
@pytest.mark.parametrize(
    ("name", "header", "row"), [("latin.csv", "text,label\n", "{},1\n"), ("latin.jsonl", "\n", '{{"text": "{}"}}\n')]
)
def test_other_encodings_are_told_by_their_line(tmp_path, name, header, row, place):
    path = tmp_path / name
    lines = [header, *(row.format("caf\u00e9" if line == place else "tea") for line in range(2, 1000))]
    path.write_bytes("".join(lines).encode("latin-1"))
    with pytest.raises(InputError, match=f"is not UTF-8 text: line {place} holds .*; save it as UTF-8"):
        load_table(str(path))


def test_a_name_needs_a_network():
    with pytest.raises(InputError, match="neither a file nor a dataset"):
        load_table("someone/some-dataset")
