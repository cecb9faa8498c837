"""A report as one page: whole, escaped, without a request, and quiet in a real browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from glot_hf.commands.main import main
from glot_hf.data.labels import Labels
from glot_hf.explanations.explanation import Explanation, TextExplanation
from glot_hf.reports.answers import count_classes, report_answers
from glot_hf.reports.page import render_page
from glot_hf.reports.report import write_report
from glot_hf.system.errors import InputError


RNG = np.random.default_rng(0)
HARD = '<script>alert(1)</script> & {{ 7 * 7 }} "quoted" שלום 你好 ' + "long" * 40
RECIPE = {
    "found": {
        "metric": "accuracy",
        "probe": {"rows": 80, "losses": [0.7, 0.5, 0.6], "seconds": 0.1},
        "candidates": [
            {"name": "linear head", "score": 0.8, "better_by": 0.0, "standard_error": 0.0, "seconds": 1.0},
            {"name": "residual block", "score": 0.9, "better_by": 0.1, "standard_error": 0.02, "seconds": 9.0},
        ],
    }
}


@pytest.fixture
def judged(tmp_path):
    labels = Labels("single_label_classification", ("a", HARD[:12]))
    logits, truth = RNG.normal(size=(80, 2)), RNG.integers(0, 2, 80)
    report = report_answers(logits, truth, labels, "accuracy", {"text": [HARD] * 80})
    curve = [{"step": 1, "loss": 0.7}, {"step": 2, "eval_loss": 0.5}]
    write_report(report | {"curve": curve, "training_rows": count_classes(truth, labels)}, tmp_path)
    (tmp_path / "training_record.json").write_text(json.dumps({"recipe": RECIPE, "versions": {"torch": "2"}}))
    (tmp_path / "leaderboard.csv").write_text("rank,head\n1,mean\n2,glot\n")
    return tmp_path


class Elements(HTMLParser):
    """Collects tags with their attributes, and the text of cells."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.cells, self._is_cell = [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._is_cell = tag == "td"

    def handle_data(self, data):
        if self._is_cell:
            self.cells.append(data)
            self._is_cell = False


def test_all_of_a_report_is_on_the_page(judged):
    page = Elements(render_page(judged))
    assert [attrs["alt"][:9] for tag, attrs in page.tags if tag == "img"] == ["Confusion", "Reliabili", "Training "]
    assert {"residual block", "0.9000", "glot", HARD, HARD[:12]} <= set(page.cells)
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 1  # the page's own


def explained(text, is_exact):
    """An explanation of a text whose first word speaks for the answer, and whose last one speaks against it."""
    words = [(found.group(), found.span()) for found in re.finditer(r"\S+", text)]
    contributions = torch.zeros(len(words), 2)
    contributions[0, 0], contributions[-1, 0] = 2.0, -1.0
    names, spans = zip(*words)
    cosines = torch.eye(len(words))
    part = TextExplanation(text, names, spans, None, contributions, names, [*range(len(words))], cosines)
    logits = contributions.sum(dim=0)
    return Explanation(part, None, ["a", "b"], logits, logits * 0, 0, is_exact, "because & so", "contributions")


def test_the_words_that_the_worst_answers_rest_on(judged):
    page = render_page(judged, [explained(HARD, True), explained(HARD, True)])
    words = re.findall(r'<mark class="(for|against)" style="--share: ([\d.]+)" title[^>]*>([^<]*)</mark>', page)
    assert words[:2] == [("for", "1.000", "&lt;script&gt;alert(1)&lt;/script&gt;"), ("against", "0.500", "long" * 40)]
    assert len(words) == 4 and page.count("<h3>Row ") == 2
    assert "Exact: because &amp; so." in page
    assert "Not exact: " in render_page(judged, [explained(HARD, False)])
    assert len([tag for tag, _ in Elements(page).tags if tag == "script"]) == 1


def test_it_asks_for_nothing(judged):
    page = Elements(render_page(judged))
    sources = [attrs[name] for _, attrs in page.tags for name in ("src", "href") if name in attrs]
    assert sources and all(source.startswith("data:") for source in sources)
    assert not re.search(r"https?://|@import|url\(", render_page(judged))


def test_a_report_without_classes(tmp_path):
    scores = np.linspace(0, 1, 20)
    labels = Labels("regression")
    write_report(report_answers(scores[:, None] ** 2, scores, labels, "spearman", {"text": ["a"] * 20}), tmp_path)
    assert "<h2>Classes" not in render_page(tmp_path)


def test_mistakes(judged, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["report", str(tmp_path / "empty")]) == 2
    assert "holds no report.json: glot-hf train writes one" in capsys.readouterr().err
    for content in ("{", "[]", "{}", '{"metrics": 3}', json.dumps({"metrics": {}, "main": {}, "rows": 1})):
        (judged / "report.json").write_text(content)
        with pytest.raises(InputError, match="damaged"):
            render_page(judged)


def test_the_command_writes_it(judged, capsys):
    assert main(["report", str(judged)]) == 0
    assert capsys.readouterr().out == f"{judged / 'report.html'}: open it in a browser\n"
    assert "What the worst answers rest on" not in (judged / "report.html").read_text(encoding="utf-8")
    assert (judged / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium")
def test_a_browser_has_nothing_to_complain_of(judged):
    """Its rows are sorted by a click, and no line of the console is an error."""
    path = judged / "page.html"
    click = "<script>document.querySelector('th button').click(); document.querySelector('th button').click()</script>"
    path.write_text(render_page(judged).replace("</body>", f"{click}</body>"), encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    done = subprocess.run([*command, path.as_uri()], capture_output=True, text=True, check=True, timeout=120)
    assert "CONSOLE" not in done.stderr
    assert 'aria-sort="descending"' in done.stdout
