"""Builders that are killed at any moment, or work side by side, leave whole shards and right tensors."""

import hashlib
import os
import random
import signal
import time

import pytest
import torch
from accelerate import PartialState
from forked_processes import processes, run_together
from single_words import make_texts, make_tokenizer
from small_encoders import make_bert

from glot_hf.data import HiddenStateCache
from glot_hf.states import builder
from glot_hf.states.folder import damages
from glot_hf.states.manifest import Manifest


TEXTS = make_texts(400, longest=30)
OPTIONS = {"tokens_per_batch": 60, "tokens_per_shard": 150}  # about 40 shards


def build(folder):
    torch.set_num_threads(1)  # the same sums in the same order
    HiddenStateCache.build(make_bert(), make_tokenizer(), {"text": TEXTS}, folder=folder, **OPTIONS)


def start(folder):
    process = processes.Process(target=build, args=(folder,))
    process.start()
    return process


def checksums(folder):
    """Of all files that have their name; nothing but folders of part files may lie beside them."""
    paths = [path for path in folder.iterdir() if path.is_file()] if folder.exists() else []
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a build that nobody disturbs leaves, and how long it takes, in seconds."""
    folder = tmp_path_factory.mktemp("undisturbed") / "cache"
    start(tmp_path_factory.mktemp("warm") / "cache").join()
    started = time.monotonic()
    process = start(folder)
    process.join()
    assert process.exitcode == 0
    return checksums(folder), time.monotonic() - started


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_sigkill_loses_no_finished_shard_and_makes_no_wrong_tensor(undisturbed, tmp_path, kills, record_property):
    expected, seconds = undisturbed
    generator = random.Random(kills)
    killed = lost = wrong = rounds = 0
    while killed < kills:
        folder, seen = tmp_path / f"cache{rounds}", {}
        rounds += 1
        while killed < kills:
            process = start(folder)
            time.sleep(generator.uniform(0, seconds / 2))
            if process.exitcode is not None:
                break  # it had finished: another cache
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            killed += process.exitcode == -signal.SIGKILL
            found = checksums(folder)
            lost += len(seen.keys() - found.keys())
            wrong += sum(expected.get(name) != value for name, value in found.items())
            seen = found
        process = start(folder)
        process.join()
        assert process.exitcode == 0
        assert checksums(folder) == expected  # to the bit
        assert {path.name for path in folder.iterdir()} == expected.keys()  # no part file is left
        assert not [damage for _, damage in damages(folder, Manifest.read(folder)) if damage]
    print(f"{killed} kills over {rounds} caches of {len(expected) - 1} shards: {lost} lost, {wrong} wrong")
    assert (lost, wrong) == (0, 0)


def test_two_builders_of_one_cache(undisturbed, tmp_path):
    builders = [start(tmp_path / "cache") for _ in range(2)]
    for process in builders:
        process.join()
    assert [process.exitcode for process in builders] == [0, 0]
    assert checksums(tmp_path / "cache") == undisturbed[0]


def build_and_log(rank, folder):
    """Logs the shards that this process writes."""
    write = builder.write_shard

    def spy(states, into, shard, manifest):
        write(states, into, shard, manifest)
        with open(f"{folder}-{rank}-of-{PartialState().num_processes}", "a") as log:
            log.write(shard.file + "\n")

    builder.write_shard = spy
    build(folder)


def test_processes_under_accelerate_share_the_work(undisturbed, tmp_path):
    """Two gloo processes: shard i is written by process i % 2, and both wait for the whole."""
    run_together(2, build_and_log, tmp_path / "cache")
    shards = sorted(name for name in undisturbed[0] if name != "manifest.json")
    for rank in (0, 1):
        assert (tmp_path / f"cache-{rank}-of-2").read_text().split() == shards[rank::2]
    assert checksums(tmp_path / "cache") == undisturbed[0]
