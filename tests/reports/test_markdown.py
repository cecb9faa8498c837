import numpy as np

from glot_hf.reports.markdown import format_table, mean_and_deviation, short_name


def test_mean_and_deviation():
    values = [0.5, 0.45, 0.7]
    assert mean_and_deviation(values) == f"{100 * np.mean(values):.1f} ({100 * np.std(values, ddof=1):.1f})"
    assert mean_and_deviation([0.123]) == "12.3"
    assert mean_and_deviation([-0.1, -0.1]) == "-10.0 (0.0)"


def test_format_table():
    assert format_table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_a_folder_goes_by_the_title_of_its_model_card(tmp_path, minilm_path):
    assert short_name("somebody/a-backbone") == "a-backbone"
    assert short_name(str(tmp_path / "my-backbone")) == "my-backbone"
    assert short_name(minilm_path) == "all-MiniLM-L6-v2"
