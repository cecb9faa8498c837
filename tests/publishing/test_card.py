"""The model card of a head, without a Hub."""

import pytest

from glot_hf import GlotConfig
from glot_hf.publishing.card import Training, make_card


@pytest.mark.parametrize("mode", ["late", "late_mean"])
def test_a_head_that_compares_tokens_promises_no_vectors(mode):
    config = GlotConfig(
        input_size=8, pair_mode=mode, backbone_name_or_path="someone/bert", problem_type="single_label_classification"
    )
    card = make_card(config, "tester/pairs", 1234, is_classifier=True, training=Training(), license="mit").content
    assert "two texts that each\nwent through it alone, are compared with each other" in card
    assert f"- Head: token states, pairs compared by `{mode}`." in card
    assert '"text_pair": "and another"' in card and "pipeline_class=glot_hf.GlotTextClassificationPipeline" in card
    assert "encode(" not in card and "one vector" not in card and "graph" not in card
