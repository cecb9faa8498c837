"""A report on the disk: every picture drawn, tables that hold any text, and what the screen shows."""

import json

import numpy as np
import pytest

from glot_hf.data.labels import Labels
from glot_hf.reports.answers import count_classes, report_answers
from glot_hf.reports.course import advice_on, curve_of
from glot_hf.reports.report import print_report, render, summary, write_report


RNG = np.random.default_rng(0)
HARD = "a | pipe, <b>bold</b>, `code` and $x_1$\nin two lines " + "very " * 90 + "long"
CURVE = [{"step": 10, "loss": 0.7}, {"step": 10, "eval_loss": 0.6}, {"step": 20, "eval_loss": 0.5}]


def a_report(count):
    labels = Labels("single_label_classification", tuple(f"{HARD[:30]} {i}" for i in range(count)))
    logits, truth = RNG.normal(size=(80, count)), RNG.integers(0, count, 80)
    report = report_answers(logits, truth, labels, "accuracy", {"text": [HARD] * 80})
    return report | {"curve": CURVE, "training_rows": count_classes(truth, labels)}


@pytest.mark.parametrize("count", [2, 6, 40])
def test_all_of_it_is_written(count, tmp_path):
    report = a_report(count)
    write_report(report, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    for name in ("confusion.png", "calibration.png", "curve.png"):
        assert f"]({name})" in text and (tmp_path / name).stat().st_size > 5_000
    assert not (tmp_path / "predicted.png").exists()
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.replace("\\|", "").count("|") in (4, 6, 3) for line in tables)
    assert "<b>" not in text


def test_scores_are_drawn_against_predictions(tmp_path):
    truth = RNG.normal(size=50)
    report = report_answers(truth[:, None] / 2, truth, Labels("regression"), "pearson", {"text": ["a"] * 50})
    write_report(report, tmp_path)
    assert (tmp_path / "predicted.png").is_file() and not (tmp_path / "confusion.png").exists()
    assert "predicted.png" in (tmp_path / "report.md").read_text()


def test_the_screen_shows_the_worst_classes(tmp_path, capsys):
    baseline = {"name": "logistic regression on mean vectors", "value": 0.5, "rows": 70, "seconds": 0.2}
    print_report(a_report(40) | {"baseline": baseline, "advice": "train longer"}, tmp_path)
    output = capsys.readouterr().out
    assert "the 6 worst of 40 classes:" in output and len(output.splitlines()) < 20
    assert "accuracy" in output and "95 % interval" in output and "train longer" in output
    assert "logistic regression on mean vectors: accuracy 0.5000, on 70 training rows in 0.2 s" in output


def test_what_is_undefined_is_said():
    report = report_answers(np.zeros((9, 1)), np.arange(9.0), Labels("regression"), "spearman", {"text": ["a"] * 9})
    assert summary(report) == ["spearman undefined on 9 validation rows"]
    assert "spearman" in render(report, [])


def test_the_course_of_a_training():
    history = [{"loss": 0.7, "step": 10, "grad_norm": 1.0}, {"eval_loss": 0.6, "step": 10}, {"train_runtime": 3.0}]
    assert curve_of(history) == [{"step": 10, "loss": 0.7}, {"step": 10, "eval_loss": 0.6}]
    assert advice_on(CURVE[:2], False) is None
    assert "still improved at the last step, 20: train longer" in advice_on(CURVE, False)
    worse = [*CURVE, {"step": 30, "eval_loss": 0.55}]
    assert "lowest at step 20 of 30: --load_best_model_at_end" in advice_on(worse, False)
    assert "trained for 30 steps, as held-out training rows chose" in advice_on(worse, True)
