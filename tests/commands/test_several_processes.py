"""Several processes that train one head (torchrun, accelerate launch) train the one that a single process trains."""

import json
import random
import sys

import pytest
import torch
from forked_processes import run_together
from single_words import make_texts, make_tokenizer
from small_encoders import make_bert

from glot_hf.commands.main import main


def run(rank, log, argv):
    with open(f"{log}{rank}.txt", "w") as sys.stdout, open(f"{log}{rank}_notices.txt", "w") as sys.stderr:
        exit_code = main(argv)
    sys.exit(exit_code)


def glot_hf(world_size, log, *argv):
    """Runs `glot-hf` in so many processes. Returns what each wrote to standard output."""
    run_together(world_size, run, log, list(argv))
    return [open(f"{log}{rank}.txt").read() for rank in range(world_size)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny backbone, 64 labelled texts to train on and 19, which two processes cannot share evenly, to judge by."""
    folder = tmp_path_factory.mktemp("processes")
    make_bert().save_pretrained(folder / "backbone")
    make_tokenizer().save_pretrained(folder / "backbone")
    generator, texts = random.Random(0), make_texts(83, longest=20)
    rows = [{"text": text, "label": generator.choice(["bad", "good"])} for text in texts]
    for name, some in (("train", rows[:64]), ("dev", rows[64:])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    return folder


@pytest.mark.parametrize(
    "options",
    [[], ["--gnn_type", "gin"], ["--input_norm", "standard", "--no_cache"]],
    ids=["gat", "batch norm", "statistics of the states"],
)
def test_two_processes_train_what_one_trains(folder, tmp_path, options, monkeypatch):
    monkeypatch.chdir(folder)
    command = ["train", "--backbone", "backbone", "--train_file", "train.jsonl", "--validation_file", "dev.jsonl"]
    command += ["--learning_rate", "1e-3", "--num_train_epochs", "2", "--logging_steps", "1", "--disable_tqdm", "true"]
    command += ["--gnn_hidden_size", "8", "--readout_hidden_size", "8", "--max_length", "64", *options]
    curves, results, outputs = [], [], []
    for count in (1, 2):
        head = tmp_path / f"head{count}"
        own = ["--output_dir", str(head), "--per_device_train_batch_size", str(16 // count)]
        own += [] if "--no_cache" in options else ["--cache_dir", str(tmp_path / f"cache{count}")]
        outputs.append(glot_hf(count, tmp_path / f"log{count}_", *command, *own))
        history = json.loads((head / "checkpoint-8" / "trainer_state.json").read_text())["log_history"]
        curves.append(torch.tensor([entry["loss"] for entry in history if "loss" in entry]))
        results.append(json.loads((head / "all_results.json").read_text()))
    one, two = curves
    assert len(one) == 8 and one.std() > 1e-3
    torch.testing.assert_close(two, one, rtol=0, atol=1e-5)
    metrics = [name for name in results[0] if name.startswith("eval") and "second" not in name and "time" not in name]
    assert {"eval_loss", "eval_accuracy"} <= set(metrics)
    for name in metrics:
        assert results[1][name] == pytest.approx(results[0][name], abs=1e-5), name
    assert "What was trained" in outputs[1][0]
    assert outputs[1][1] == ""  # one speaks for both
    notices = [(tmp_path / f"log2_{rank}_notices.txt").read_text() for rank in (0, 1)]
    assert "text column: 'text' (guessed" in notices[0] and "guessed" not in notices[1]


def test_two_processes_answer_as_one(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    small = ["--max_steps", "1", "--max_length", "64", "--gnn_hidden_size", "8", "--no_cache"]
    small += ["--output_dir", str(tmp_path / "head")]
    data = ["--train_file", "train.jsonl", "--validation_file", "dev.jsonl"]
    glot_hf(1, tmp_path / "log", "train", "--backbone", "backbone", *data, *small)
    for command, option in (("evaluate", "--validation_file"), ("predict", "--test_file")):
        files = [tmp_path / f"{command}{count}.json" for count in (1, 2)]
        for count, file in zip((1, 2), files):
            asked = [str(tmp_path / "head"), option, "dev.jsonl", "--batch_size", "4", "--output_file", str(file)]
            glot_hf(count, tmp_path / "log", command, *asked)
        if command == "predict":
            one, two = ([json.loads(line) for line in file.read_text().splitlines()] for file in files)
            assert [row["label"] for row in one] == [row["label"] for row in two] and len(one) == 19
        else:
            one, two = (json.loads(file.read_text()) for file in files)
            assert one["eval_loss"] == pytest.approx(two["eval_loss"], abs=1e-5)
            assert one["eval_accuracy"] == two["eval_accuracy"]
