import numpy as np

from glot_hf.reports.markdown import mean_and_deviation


def test_mean_and_deviation():
    values = [0.5, 0.45, 0.7]
    assert mean_and_deviation(values) == f"{100 * np.mean(values):.1f} ({100 * np.std(values, ddof=1):.1f})"
    assert mean_and_deviation([0.123]) == "12.3"
    assert mean_and_deviation([-0.1, -0.1]) == "-10.0 (0.0)"
