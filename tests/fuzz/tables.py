"""Tables of labelled texts: CSV, TSV and JSON, by the reader of `train` and by that of `predict` and `embed`."""

import json
import zlib
from pathlib import Path
from random import Random

import pyarrow

from fuzz.mutations import HOSTILE, change_bytes, change_json, to_json
from fuzz.targets import Target
from glot_hf.data.table_rows import TableRows
from glot_hf.data.tables import load_table
from glot_hf.embeddings.text_files import TextFiles
from glot_hf.options.arguments import DataArguments
from glot_hf.runs.texts import training_texts
from glot_hf.system.errors import InputError


_CELLS = [
    *(
        "a fine film",
        "good",
        "bad",
        "0",
        "1",
        "2.5",
        "-1",
        "",
        " ",
        "NA",
        "nan",
        "inf",
        "1e400",
        "12345678901234567890",
    ),
    *(
        "a|b",
        "a;b",
        "['a', 'b']",
        '["a"]',
        "[1, 2",
        "{}",
        "{'a': 1}",
        "(1,)",
        "[" * 300,
        "=1+1",
        "2020-01-01",
        "é\u0301",
    ),
    *(
        'quoted "word"',
        "two\nlines",
        "a\rb",
        "a\tb",
        "comma, comma",
        "\x00",
        "\u2028",
        "\ufeff",
        "x" * 3000,
        "True",
        "None",
    ),
]
_NAMES = [
    "text",
    "label",
    "sentence1",
    "sentence2",
    "id",
    "a",
    "Text",
    "labels",
    "score",
    "",
    "text ",
    "question",
    "é",
]


def _draw_rows(generator: Random) -> tuple[list[str], list[list[str]]]:
    names = generator.sample(_NAMES, generator.randint(1, 5))
    if generator.random() < 0.6:
        names = ["text", "label", *generator.sample(["id", "a", "sentence2", "text"], generator.randint(0, 2))]
    pool = generator.sample(_CELLS, generator.choice((2, 3, 8)))
    cells = [[generator.choice(pool) for _ in names] for _ in range(generator.choice((1, 2, 5, 12, 40)))]
    for number, row in enumerate(cells):
        if generator.random() < 0.8:
            row[0] = f"text {number} {row[0]}"
    return names, cells


class Tables(Target):
    """How it is read is drawn from the bytes of the file, so that the same file is always read alike."""

    def good(self) -> list[dict[str, bytes]]:
        return [{"table.csv": b"text,label\na fine film,good\na poor film,bad\nso so,good\n"}]

    def draw(self, generator: Random) -> dict[str, bytes]:
        names, rows = _draw_rows(generator)
        suffix, comma = generator.choice(((".csv", ","), (".csv", ","), (".tsv", "\t"), (".csv", ";")))
        end = generator.choice(("\n", "\n", "\r\n", "\r"))
        quoted = generator.random() < 0.8

        def write(cell: str) -> str:
            if suffix == ".csv" and (quoted and any(mark in cell for mark in '",\n\r;')):
                return '"' + cell.replace('"', '""') + '"'
            return cell if quoted else cell.replace("\n", " ")

        text = end.join(comma.join(map(write, row)) for row in [names, *rows])
        data = text.encode(generator.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")), "replace")
        return {f"table{suffix}": change_bytes(data, generator) if generator.random() < 0.6 else data}

    def use(self, folder: Path) -> None:
        source = next(folder.glob("table.*"))
        taken = [self._train(source), self._read_alike(source)]
        if refused := [error for error in taken if error is not None]:
            raise refused[0]

    def _train(self, source: Path) -> InputError | None:
        choice = Random(zlib.crc32(source.read_bytes()))
        options = choice.choice(
            (
                {},
                {"text_column": "text", "label_column": "label"},
                {"problem_type": "multi_label_classification"},
                {"problem_type": "single_label_classification", "text_column": "text"},
                {"problem_type": "regression"},
                {"text_column": "sentence1", "text_pair_column": "sentence2"},
                {"text_template": "{text} [{label}]", "label_column": "label"},
                {"label_columns": ["label", "a"], "text_column": "text"},
                {"validation_file": str(source)},
            )
        )
        try:
            training_texts(DataArguments(train_file=str(source), **options), seed=0)
        except InputError as error:
            return error
        return None

    def _read_alike(self, source: Path) -> InputError | None:
        """
        Read by all three readers, which take the same rows.

        Raises:
            AssertionError: they do not: a finding.
        """
        try:
            table = load_table(str(source))
        except InputError as error:
            table = error
        rows = TableRows(str(source)) if not isinstance(table, InputError) else None
        if rows is not None:
            read = [cells for _, cells in rows]
            assert [*read[0]] == table.column_names == rows.columns, "other columns"
            assert len(read) == len(table), "other rows"
            if source.suffix in (".csv", ".tsv"):
                assert read == list(table), "other cells"
            try:
                rows.schema
                rows.sample()
            except InputError as error:
                return error
        try:
            texts = [row.text for row in TextFiles([str(source)])]
        except InputError as error:
            return table if isinstance(table, InputError) else error
        if not isinstance(table, InputError) and table.features.arrow_schema.field("text").type == pyarrow.string():
            assert texts == [text or "" for text in table["text"][:]], "other texts"
        return table if isinstance(table, InputError) else None


class JsonTables(Tables):
    def good(self) -> list[dict[str, bytes]]:
        lines = [{"text": f"film {number}", "label": "good" if number % 2 else "bad"} for number in range(6)]
        return [{"table.jsonl": "\n".join(map(json.dumps, lines)).encode()}]

    def draw(self, generator: Random) -> dict[str, bytes]:
        names, cells = _draw_rows(generator)
        rows = [dict(zip(names, row)) for row in cells]
        kind = generator.randrange(4)
        if kind:
            for row in rows:
                for name in row:
                    if generator.random() < (0.05, 0.3, 0.9)[kind - 1]:
                        row[name] = generator.choice(
                            (*HOSTILE[:18], *HOSTILE[-12:], 3, 4.0, ["a", "b"], ["a"], [1], "a|b")
                        )
        if generator.random() < 0.3:
            rows = change_json(rows, generator, tuple(names))
        if generator.random() < 0.25 or not isinstance(rows, list):
            return {"table.json": to_json(rows, generator)}
        data = b"\n".join(to_json(row, generator) for row in rows) if generator.random() < 0.2 else None
        if data is None:
            data = "\n".join(map(json.dumps, rows)).encode("utf-8", "surrogatepass")
        return {"table.jsonl": change_bytes(data, generator) if generator.random() < 0.3 else data}
