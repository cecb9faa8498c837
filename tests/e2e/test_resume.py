"""A run that is killed and resumed ends with the head of the run that was not."""

import os
import signal
import sys
import time

import pytest
import torch
from forked_processes import processes

from glot_hf.commands.main import main


def train(minilm_path, output_dir, options):
    torch.set_num_threads(1)
    sys.stdout = sys.stderr = open("log.txt", "a")  # noqa: SIM115
    command = ["train", "--backbone", minilm_path, "--train_file", "train.jsonl", "--output_dir", output_dir]
    command += ["--gnn_hidden_size", "8", "--per_device_train_batch_size", "4", "--max_steps", "40"]
    command += ["--save_steps", "10", "--save_strategy", "steps", "--eval_strategy", "no"]
    command += ["--gnn_type", "gin"]  # batch norm: statistics have to resume too
    sys.exit(main([*command, *options]))


@pytest.mark.parametrize("options", [("--cache_dir", "states"), ("--no_cache",)])
def test_kill_and_resume(tmp_path, minilm_path, options, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f'{{"text": "sentence number {i} {"good " * (i % 7)}", "label": {i % 2}}}\n' for i in range(64)]
    (tmp_path / "train.jsonl").write_text("".join(rows))

    def start(output_dir, *more):
        process = processes.Process(target=train, args=(minilm_path, output_dir, [*options, *more]))
        process.start()
        return process

    whole = start("whole")
    whole.join()
    assert whole.exitcode == 0

    killed = start("killed")
    checkpoint = tmp_path / "killed" / "checkpoint-20" / "trainer_state.json"
    while not checkpoint.exists():
        assert killed.is_alive(), "the run ended before its second checkpoint"
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    assert not (tmp_path / "killed" / "model.safetensors").exists()

    resumed = start("killed", "--resume_from_checkpoint")
    resumed.join()
    assert resumed.exitcode == 0
    heads = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert heads[0] == heads[1]
