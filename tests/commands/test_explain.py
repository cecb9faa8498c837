"""`glot-hf explain` from a head to a table, a page, a picture and JSON."""

import json
from pathlib import Path

import pytest

from glot_hf.commands.main import main


def test_a_text(trained_head, capsys):
    assert main(["explain", "head", "a great film"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(("good", "bad")) and "great" in {line.split()[0] for line in lines if line}
    assert lines[-1].startswith("exact: contributions to the logits")


@pytest.mark.parametrize("name", ["why.html", "why.png", "why.json"])
def test_a_file_for_a_text(trained_head, capsys, name):
    assert main(["explain", "head", "a great film", "--output", name]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == name and Path(name).stat().st_size > 500


def test_rows_of_a_file(trained_head, capsys):
    options = ["--test_file", "films.csv", "--top", "3"]
    assert main(["explain", "head", *options, "--output", "why.json"]) == 0
    found = json.loads(Path("why.json").read_text(encoding="utf-8"))
    assert len(found) == 3 and all("film" in each["first"]["tokens"] for each in found)
    assert main(["explain", "head", *options, "--output", "why.html"]) == 0
    assert Path("why.html").read_text(encoding="utf-8").count("<section>") == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "either a text, or --test_file"),
        (["a film", "--test_file", "films.csv"], "either a text, or --test_file"),
        (["a film", "--text_pair", "b"], "this head takes one text"),
        (["--test_file", "films.csv", "--text_pair", "b"], "--text_pair belongs to a text"),
        (["a film", "--output", "why.txt"], "is of an unknown kind: valid are .html, .png"),
        (["a film", "--output", "no/why.png"], "cannot be written"),
        (["--test_file", "films.csv", "--output", "why.png"], "of --test_file, write .html or .json"),
        (["--test_file", "films.csv", "--top", "0"], "--top 0 is not positive"),
        (["--test_file", "missing.csv"], "there is no file 'missing.csv'"),
        (["a film", "--method", "lime"], "--method 'lime' is not one of contributions, integrated_gradients"),
        (["a film", "--outputs", "why.png"], "did you mean --output?"),
    ],
)
def test_mistakes(trained_head, error_line, options, message):
    assert message in error_line(main(["explain", "head", *options]))


def test_a_report_takes_the_worst_answers_apart(trained_head, error_line, capsys):
    def page(*options):
        assert main(["report", *options]) == 0
        return Path(options[0], "report.html").read_text(encoding="utf-8")

    mistakes = json.loads(Path("head/report.json").read_text())["mistakes"]
    assert mistakes and page("head").count("<h3>Row ") == min(10, len(mistakes))
    assert page("head", "--explain", "1").count("<h3>Row ") == 1
    assert "<h3>Row " not in page("head", "--explain", "0")
    assert main(["evaluate", "head", "--validation_file", "films.csv", "--output_dir", "judged"]) == 0
    if json.loads(Path("judged/report.json").read_text())["mistakes"]:
        assert "<h3>Row " not in page("judged") and "<h3>Row " in page("judged", "--model", "head")
    capsys.readouterr()
    assert "--explain 0 makes the page without" in error_line(main(["report", "head", "--model", "nowhere"]))
    assert "--explain -1 is negative" in error_line(main(["report", "head", "--explain", "-1"]))
