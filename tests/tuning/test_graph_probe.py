"""Token graphs of every layer: shares against scikit-learn's cosines, pair by pair."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity
from transformers import AutoModel, AutoTokenizer

from glot_hf.states.running import run_over_texts
from glot_hf.tuning.graph_picture import draw_graphs
from glot_hf.tuning.graph_probe import TAUS, GraphProbe, joined_words, probe_graphs


TEXTS = ["a fine film, a very fine film", "awful", "nothing new here", ""]


@pytest.fixture(scope="module")
def loaded(minilm_path):
    return AutoModel.from_pretrained(minilm_path).eval(), AutoTokenizer.from_pretrained(minilm_path)


def test_shares_are_those_of_all_pairs(loaded):
    probe = probe_graphs(*loaded, TEXTS)
    pairs, nearest = [], []
    for _, states in run_over_texts(*loaded, TEXTS, [3]):
        cosines = cosine_similarity(states[:, 0].numpy())
        places = np.triu_indices(len(cosines), 1)
        pairs.extend(cosines[places])
        np.fill_diagonal(cosines, -1)
        nearest.extend(cosines.max(axis=1))
    place = TAUS.index(0.3)
    assert len(probe.density) == 7
    assert probe.density[3][place] == pytest.approx(np.mean(np.array(pairs) > 0.3))
    assert probe.isolated[3][place] == pytest.approx(np.mean(np.array(nearest) <= 0.3))
    np.testing.assert_allclose(probe.cosines[3], np.percentile(pairs, [5, 25, 50, 75, 95]), atol=1e-5)


def test_the_tau_that_is_named():
    def probe(density, isolated):
        return GraphProbe([[0.0] * 5], [density], [isolated])

    falling = [max(0.0, 0.5 - 0.1 * place) for place in range(20)]
    assert probe(falling, [0.1] * 20).tau_of(0) == 0.2
    assert probe(falling, [0.9] * 20).tau_of(0) is None  # sparse, but hardly a token has a neighbour
    assert probe([1.0] * 20, [0.0] * 20).tau_of(0) is None  # all are alike


def test_words_that_are_joined(loaded):
    found = joined_words(*loaded, TEXTS[0], -1)
    assert found["0.3"]["pairs"] >= found["0.6"]["pairs"] >= found["0.8"]["pairs"]
    assert ["film", "film"] in found["0.3"]["nearest"]
    assert not {"[CLS]", "[SEP]"} & {word for pair in found["0.3"]["nearest"] for word in pair}


def test_the_picture(loaded, tmp_path):
    draw_graphs(probe_graphs(*loaded, TEXTS), str(tmp_path / "graphs.png"))
    assert (tmp_path / "graphs.png").stat().st_size > 10_000
