import statistics

import numpy as np
import pytest

from glot_hf.report import (
    difference_table,
    format_table,
    heat_map,
    learning_rate_table,
    mean_and_deviation,
    published_table,
    score_table,
)


def cells(*scores, rate=1e-3, answers=2, parameters=10):
    return [
        {
            "score": score,
            "learning_rate": rate,
            "head_parameters": parameters,
            "metrics": {"validation": {"eval_distinct_predictions": answers}},
        }
        for score in scores
    ]


RESULTS = {
    "cola": {"mean": cells(0.3, 0.4), "glot": cells(0.5, 0.45, rate=2e-4, parameters=1000)},
    "sst2": {"mean": cells(0.8, 0.82), "glot": cells(0.0, None, answers=1, parameters=2000)},
}


def test_mean_and_deviation():
    values = [0.5, 0.45, 0.7]
    assert mean_and_deviation(values) == f"{100 * np.mean(values):.1f} ({100 * np.std(values, ddof=1):.1f})"
    assert mean_and_deviation([0.123]) == "12.3"
    assert mean_and_deviation([-0.1, -0.1]) == "-10.0 (0.0)"


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


def test_learning_rates():
    assert learning_rate_table(RESULTS).splitlines()[3] == "| glot | 0.0002 | 0.001 |"


def test_beside_the_paper():
    table = published_table(RESULTS, {"glot": {"cola": 47.49}, "cls": {"cola": 1.0}})
    assert table.splitlines()[2:] == ["| glot | 47.5 / 47.5 | 0.0 / - |"]


def test_format_table():
    assert format_table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


@pytest.mark.parametrize("results", [RESULTS, {"cola": {"mean": cells(0.0)}}])
def test_heat_map_writes_every_mean(results):
    texts = [text.get_text() for text in heat_map(results, "title").axes[0].texts]
    assert len(texts) == sum(len(by_variant) for by_variant in results.values())
    assert f"{100 * statistics.mean(c['score'] for c in results['cola']['mean']):.1f}" in texts
