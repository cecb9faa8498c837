import pytest

from glot_hf.experiments.stress_report import plot, stress_table, write_stress_report


def results_of(ratios, positions, poolings):
    places = [(ratio, position) for ratio in ratios for position in positions]
    leaks = {"bag of words": 0.5, "length only": 0.5}
    runs = [
        {"ratio": r, "position": p, "pooling": pooling, "seed": s, "accuracy": 0.8, "is_dead": False,
         "head_parameters": 10, "chosen": "C 1"}
        for r, p in places for pooling in poolings for s in (0, 1)
    ]  # fmt: skip
    return {
        "settings": {"generator": "matched", "backbone": "somebody/a-backbone-with-a-long-name"},
        "leak_checks": [{"ratio": r, "position": p, "accuracy": leaks} for r, p in places],
        "runs": runs,
    }


@pytest.mark.parametrize("ratios", [[0.5], [0.5, 0.9], [0.0, 0.2, 0.5, 0.8, 0.9]])
@pytest.mark.parametrize("positions", [["random"], ["start", "end"]])
def test_the_title_is_whole(ratios, positions):
    picture = plot(results_of(ratios, positions, ["mean", "glot"]))
    picture.draw_without_rendering()
    title = picture._suptitle.get_window_extent()
    assert 0 <= title.x0 < title.x1 <= picture.bbox.width


def test_tables_have_a_column_for_each_place(tmp_path):
    results = results_of([0.5], ["start", "end"], ["mean"])
    assert stress_table(results).splitlines()[0] == "| pooling | head parameters | 50% start | 50% end |"
    results["settings"] |= {"test_size": 20, "train_size": 50}
    assert write_stress_report(results, tmp_path).splitlines()[-1] == "| mean | C 1 | C 1 |"


def test_ratios_that_are_written_alike_have_columns_of_their_own():
    assert stress_table(results_of([0.5, 0.501], ["random"], ["mean"])).splitlines()[0].endswith("| 50% | 50% |")
