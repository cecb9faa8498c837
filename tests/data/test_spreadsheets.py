"""Sheets of .xlsx files, written by pandas: read as the same rows of a CSV file are."""

import pandas
import pytest

from glot_hf.data.spreadsheets import sheet_rows
from glot_hf.data.table_rows import TableRows
from glot_hf.data.tables import load_table
from glot_hf.embeddings.text_files import TextFiles
from glot_hf.system.errors import InputError


ROWS = {"text": ["a film", "NA", "", 'größer, "x"'], "n": [1, 2, 3, 4], "x": [0.5, 1.0, 2.0, None]}


@pytest.fixture
def sheet(tmp_path):
    path = str(tmp_path / "a.xlsx")
    pandas.DataFrame(ROWS).to_excel(path, index=False)
    return path


def test_cells_are_text(sheet):
    expected = [["text", "n", "x"], ["a film", "1", "0.5"], ["NA", "2", "1"], ["", "3", "2"], ['größer, "x"', "4", ""]]
    assert sheet_rows(sheet) == expected
    table = load_table(sheet)
    assert table.column_names == expected[0] and table["text"][:] == ROWS["text"] and table["n"][:] == list("1234")


def test_every_reader_reads_the_same(sheet):
    assert [cells["text"] for _, cells in TableRows(sheet)] == ROWS["text"]
    assert [row.text for row in TextFiles([sheet])] == ROWS["text"]
    assert [row.id for row in TextFiles([sheet], id_column="n")] == list("1234")


def test_empty_rows_and_other_sheets(tmp_path, capsys):
    path = str(tmp_path / "a.xlsx")
    with pandas.ExcelWriter(path) as writer:
        pandas.DataFrame({"text": ["a", None, "b"], "y": ["1", None, "2"]}).to_excel(
            writer, sheet_name="one", index=False
        )
        pandas.DataFrame({"z": [1]}).to_excel(writer, sheet_name="two", index=False)
    assert sheet_rows(path) == [["text", "y"], ["a", "1"], ["b", "2"]]
    assert "reads the first of 2 sheets" in capsys.readouterr().err


def test_mistakes(tmp_path):
    (tmp_path / "no.xlsx").write_bytes(b"text,label\na,b\n")
    pandas.DataFrame([["text", "text"], ["a", "b"]]).to_excel(tmp_path / "twice.xlsx", index=False, header=False)
    pandas.DataFrame([]).to_excel(tmp_path / "empty.xlsx", index=False)
    for name, message in (
        ("no", "cannot be read as a spreadsheet"),
        ("twice", "names a column twice"),
        ("empty", "empty"),
    ):
        with pytest.raises(InputError, match=message):
            load_table(str(tmp_path / f"{name}.xlsx"))
    for name in ("a.xls", "a.ods"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(InputError, match="save the sheet as .xlsx"):
            load_table(str(tmp_path / name))
