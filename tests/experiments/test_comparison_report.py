import json
import statistics

import numpy as np
import pytest

from glot_hf.experiments.comparison_report import (
    difference_table,
    heat_map,
    published_table,
    write_comparison_report,
)
from glot_hf.reports.scores import chosen_table, score_table


def cells(*scores, rate=1e-3, is_dead=False, parameters=10):
    return [
        {
            "score": score,
            "chosen": f"{rate:g} x 400",
            "head_parameters": parameters,
            "metric": "accuracy",
            "training_rows": 100,
            "is_dead": is_dead,
        }
        for score in scores
    ]


RESULTS = {
    "cola": {"mean": cells(0.3, 0.4), "glot": cells(0.5, 0.45, rate=2e-4, parameters=1000)},
    "sst2": {"mean": cells(0.8, 0.82), "glot": cells(0.0, None, is_dead=True, parameters=2000)},
}


def test_the_best_is_bold_and_the_dead_are_marked():
    lines = score_table(RESULTS).splitlines()
    assert lines[0] == "| pooling | head parameters | cola | sst2 |"
    assert lines[2] == "| mean | 10 | 35.0 (7.1) | **81.0 (1.4)** |"
    assert lines[3] == "| glot | 1,000 to 2,000 | **47.5 (3.5)** | 0.0 (0.0)† |"


def test_differences_are_taken_seed_by_seed():
    line = difference_table(RESULTS, ["mean"]).splitlines()[2]
    differences = [20, 5]
    assert f"{np.mean(differences):.1f} ({statistics.stdev(differences):.1f}) (mean)" in line
    assert "-81.0 (1.4) (mean)" in line


def test_what_was_chosen():
    assert chosen_table(RESULTS).splitlines()[3] == "| glot | 0.0002 x 400 | 0.001 x 400 |"


def test_beside_the_paper():
    table = published_table(RESULTS, {"glot": {"cola": 47.49}, "cls": {"cola": 1.0}})
    assert table.splitlines()[2:] == ["| glot | 47.5 / 47.5 | 0.0 / - |"]


@pytest.mark.parametrize("results", [RESULTS, {"cola": {"mean": cells(0.0)}}])
def test_heat_map_writes_every_mean(results):
    picture = heat_map(results, "a title that is longer than the picture of one task and one pooling is wide")
    texts = [text.get_text() for text in picture.axes[0].texts]
    assert len(texts) == sum(len(by_variant) for by_variant in results.values())
    assert f"{100 * statistics.mean(c['score'] for c in results['cola']['mean']):.1f}" in texts
    picture.draw_without_rendering()
    title = picture._suptitle.get_window_extent()
    assert 0 <= title.x0 < title.x1 <= picture.bbox.width  # not cut off


@pytest.mark.parametrize("backbone, has_paper", [("google-bert/bert-base-uncased", True), ("someone/else", False)])
def test_the_whole_report(tmp_path, backbone, has_paper):
    training = {"per_device_train_batch_size": 32}
    settings = {"backbone": backbone, "protocol": "tuned", "training_options": training}
    report = write_comparison_report(RESULTS, settings, [0, 1], ["mean"], tmp_path)
    assert (tmp_path / "report.md").read_text() == report + "\n"
    assert score_table(RESULTS) in report and difference_table(RESULTS, ["mean"]) in report
    assert "cola: accuracy; sst2: accuracy" in report and "cola 100, sst2 100" in report
    assert ("ours / the paper's" in report) == has_paper
    assert json.loads((tmp_path / "results.json").read_text())["results"] == RESULTS
    assert (tmp_path / "heat_map.png").read_bytes().startswith(b"\x89PNG")
