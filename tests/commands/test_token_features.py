"""`--token_features surprisal` from training to the answers of the head, on a tiny decoder."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from single_words import make_tokenizer
from small_decoders import make_decoder
from transformers import pipeline

from glot_hf import GlotForSequenceClassification
from glot_hf.commands.main import main
from glot_hf.tuning import recipe, search


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Run `glot-hf train` or `tune` on texts whose class is whether one word follows another as it usually does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipe, "_FEWEST_STEPS", 20)
    make_decoder("gpt2").save_pretrained("backbone")
    make_tokenizer(padding_side="left").save_pretrained("backbone")
    rows = [f"w{7 * i % 90} w{i % 2} w{3 * i % 90},{'ab'[i % 2]}" for i in range(60)]
    Path("rows.csv").write_text("\n".join(["text,label", *rows]) + "\n")

    def run(*options, verb="train"):
        data = ["--backbone", "backbone", "--train_file", "rows.csv", "--output_dir", "head"]
        return main([verb, *data, "--token_features", "surprisal", *options])

    return run


def test_from_training_to_answers(train, capsys):
    assert train("--cache_dir", "cache") == 0  # by the default recipe
    output = capsys.readouterr().out
    assert "probe: held-out loss" in output and "residual block: accuracy" in output
    config = json.loads(Path("head/config.json").read_text())
    assert config["token_features"] == ["surprisal"] and config["input_size"] == 32
    assert main(["cache", "info", "cache"]) == 0
    assert re.search(r"states    layers .*, surprisal, in float32", capsys.readouterr().out)
    assert main(["predict", "head", "--text", "w1 w2 w3"]) == 0
    answer = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    piped = pipeline("text-classification", model="head", tokenizer="head")("w1 w2 w3")[0]
    assert answer["label"] == piped["label"] and answer["score"] == pytest.approx(piped["score"], abs=1e-5)
    Path("texts.txt").write_text("w1 w2 w3\nw4\n")
    assert main(["embed", "--model", "head", "--input", "texts.txt", "--output", "vectors.npy"]) == 0
    model = GlotForSequenceClassification.from_pretrained("head")
    expected = model.encode(["w1 w2 w3", "w4"], make_tokenizer(padding_side="left"))
    np.testing.assert_allclose(np.load("vectors.npy"), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_tune_tries_heads_with_and_without(train, monkeypatch):
    only = {name: search._POOLINGS[name] for name in ("residual block", search.LATE)}  # late is for pairs
    monkeypatch.setattr(search, "_POOLINGS", only)
    assert train("--trials", "2", verb="tune") == 0
    with open("head/tuning/leaderboard.csv", newline="", encoding="utf-8") as file:
        heads = {row["head"]: row for row in csv.DictReader(file)}
    assert {"residual block", "residual block with surprisal"} <= heads.keys()
    assert json.loads(heads["residual block with surprisal"]["head_options"])["token_features"] == ["surprisal"]


def test_what_it_does_not_go_with(train, minilm_path, error_line, capsys):
    assert "'bert' is not: choose a decoder" in error_line(train("--backbone", minilm_path))
    assert train("--max_steps", "2", "--gnn_hidden_size", "8", "--lora_r", "2") == 0
    capsys.readouterr()
    assert "this head reads token_features" in error_line(main(["export", "head", "--to", "torch"]))
