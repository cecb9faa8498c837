"""Reports of sentence vectors: ranks of what belongs together, and cosines beside scores."""

import numpy as np
from scipy.stats import spearmanr

from glot_hf.data.text_groups import TextGroups
from glot_hf.reports.pictures import draw_pictures
from glot_hf.reports.vectors import report_vectors


def test_ranks_and_the_worst_query(tmp_path):
    """Query 2's positive is behind those of two others."""
    vectors = np.array([[[1, 0], [1, 0.1]], [[0, 1], [0.1, 1]], [[1, 0], [-1, 0]]], dtype=float)
    groups = TextGroups([[f"query {i}", f"positive {i}"] for i in range(3)], rows=[4, 7, 9])
    report = report_vectors(vectors, np.arange(6).reshape(3, 2), groups)
    assert report["ranks"] == [1, 1, 3]
    assert report["main"]["name"] == "mrr" and report["main"]["value"] == np.mean([1, 1, 1 / 3])
    assert report["main"]["low"] <= report["main"]["value"] <= report["main"]["high"]
    (mistake,) = report["mistakes"]
    assert mistake == {
        "row": 9,
        "label": "rank 1",
        "answer": "rank 3",
        "text": "query 2",
        "text_pair": "positive 2",
    }
    assert draw_pictures(report, tmp_path) == ["ranks.png"]


def test_scores_beside_cosines():
    draw = np.random.default_rng(0)
    vectors, scores = draw.normal(size=(30, 2, 8)), draw.normal(size=30)
    report = report_vectors(vectors, scores, TextGroups([["a", "b"]] * 30, scores.tolist()))
    truth, cosines = np.array(report["points"]).T
    np.testing.assert_array_equal(truth, scores)
    expected = (vectors[:, 0] * vectors[:, 1]).sum(1) / np.linalg.norm(vectors, axis=2).prod(1)
    np.testing.assert_allclose(cosines, expected)
    assert np.isclose(report["main"]["value"], spearmanr(expected, scores).statistic)
    gaps = [abs(np.sum(expected < expected[m["row"] - 1]) - np.sum(scores < m["label"])) for m in report["mistakes"]]
    assert gaps == sorted(gaps, reverse=True) and gaps[0] >= 10
