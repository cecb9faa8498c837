"""A run that is killed and resumed ends with the head of the run that was not."""

import os
import signal
import subprocess
import sys
import time

import pytest


def command(minilm_path, output_dir, options):
    return [
        *(sys.executable, "-m", "glot_hf.commands.main", "train", "--backbone", minilm_path),
        *("--train_file", "train.jsonl", "--output_dir", output_dir, "--gnn_hidden_size", "8"),
        *("--per_device_train_batch_size", "4", "--max_steps", "40", "--save_steps", "10", "--save_strategy", "steps"),
        *("--eval_strategy", "no", "--gnn_type", "gin"),  # batch norm: statistics have to resume too
        *options,
    ]


@pytest.mark.parametrize("options", [("--cache_dir", "states"), ("--no_cache",)])
def test_kill_and_resume(tmp_path, minilm_path, options):
    rows = [f'{{"text": "sentence number {i} {"good " * (i % 7)}", "label": {i % 2}}}\n' for i in range(64)]
    (tmp_path / "train.jsonl").write_text("".join(rows))
    run = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command(minilm_path, "whole", options), check=True, **run)

    process = subprocess.Popen(command(minilm_path, "killed", options), **run)
    checkpoint = tmp_path / "killed" / "checkpoint-20" / "trainer_state.json"
    while not checkpoint.exists():
        assert process.poll() is None, "the run ended before its second checkpoint"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "model.safetensors").exists()

    subprocess.run([*command(minilm_path, "killed", options), "--resume_from_checkpoint"], check=True, **run)
    whole, resumed = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed"))
    assert whole == resumed
