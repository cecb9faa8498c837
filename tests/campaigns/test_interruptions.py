"""Commands that are killed, interrupted or out of room at any moment: what was whole stays, the same command goes on.

`make campaigns` runs them and prints the figures of docs/reliability.md. Each command is run once undisturbed; then
it is disturbed at a random moment, always in a folder where nothing has been done, and typed again.
"""

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import huggingface_hub
import pytest
import torch
from forked_processes import processes
from hub_server import Hub, constants_of
from hub_server.endpoints import TOKEN
from single_words import make_texts, make_tokenizer
from small_encoders import make_bert
from transformers import utils

from glot_hf.commands.main import main


pytestmark = pytest.mark.slow
KILLS, INTERRUPTIONS, FULL_DISKS = 30, 10, 50

COMMON = "--backbone bert --train_file rows.csv --cache_dir out/cache --max_length 32".split()
TRAIN = ["train", *COMMON, "--output_dir", "out/head"]
WHOLE = ["--backbone_in_checkpoint", "True", "--output_dir", "head"]
COMMANDS = {
    "train": [*TRAIN, *"--recipe paper --num_train_epochs 2 --save_strategy steps --save_steps 5".split()],
    "train by the default recipe": TRAIN,
    "tune": ["tune", *COMMON, *"--output_dir out/head --trials 3".split()],
    "cache build": ["cache", "build", *COMMON],
    "embed": "embed --backbone bert --input rows.csv --output out/vectors.npy".split(),
    "predict": "predict head --test_file rows.csv --output_file out/answers.csv".split(),
    "export": "export head --to torch --output_dir out/program".split(),
    "publish": "publish head tester/head".split(),
}
# Written anew by each run, with times in it or by the choice of what was timed.
BY_THE_CLOCK = {"report.json", "report.md", "training_record.json", "run.yaml", "README.md", "all_results.json"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a tiny backbone, labelled rows and a trained head, and nothing else."""
    folder = tmp_path_factory.mktemp("place")
    make_bert().save_pretrained(folder / "bert")
    make_tokenizer().save_pretrained(folder / "bert")
    lines = [f"{text},{'yes' if 'w1' in text.split() or 'w2' in text else 'no'}" for text in make_texts(240)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    assert run(folder, ["train", *COMMON[:4], "--no_cache", "--max_length", "32", *WHOLE], None) == 0
    return folder


def start(folder, argv, hub_url):
    process = processes.Process(target=call, args=(str(folder), argv, hub_url))
    process.start()
    return process


def run(folder, argv, hub_url):
    process = start(folder, argv, hub_url)
    process.join(300)
    return process.exitcode


def call(folder, argv, hub_url):
    """Run a command in a process of its own, its output in a file."""
    torch.set_num_threads(1)
    os.chdir(folder)
    os.environ["ACCELERATE_USE_CPU"] = "true"
    if hub_url is not None:
        os.environ |= {"HF_TOKEN": TOKEN, "HF_ENDPOINT": hub_url}
        for name, value in constants_of(hub_url).items():
            setattr(huggingface_hub.constants, name, value)
        huggingface_hub.hf_api.api.endpoint, utils.hub._hf_api = hub_url, None
    with open("output.txt", "a", encoding="utf-8") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            raise SystemExit(main(argv))


def outcome(folder, hub):
    """Return a checksum of every file that a command leaves for its user, 0 of those that differ by the clock."""
    if hub is not None:
        files = dict(hub.files("tester/head")) if hub.commits("tester/head") else {}
    else:
        paths = [path for path in (folder / "out").rglob("*") if path.is_file() and "checkpoint" not in str(path)]
        files = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    return {name: checksum(name, content) for name, content in files.items()}


def checksum(name, content):
    is_by_the_clock = Path(name).name in BY_THE_CLOCK or name.endswith((".png", ".db"))
    return 0 if is_by_the_clock else hashlib.sha256(content).hexdigest()


class Bench:
    """A command, what it leaves undisturbed, and how long that takes."""

    def __init__(self, name, place, tmp_path, hub_of):
        self.name, self.argv, self.place, self.tmp_path, self.hub_of = name, COMMANDS[name], place, tmp_path, hub_of
        folder, hub = self.fresh()
        assert run(folder, self.argv, hub and hub.url) == 0, (folder / "output.txt").read_text()
        folder, hub = self.fresh()
        started = time.monotonic()
        assert run(folder, self.argv, hub and hub.url) == 0
        self.seconds = time.monotonic() - started
        self.expected = outcome(folder, hub)

    def fresh(self):
        """Return a folder in which nothing has been done, and a hub where the command needs one."""
        folder = self.tmp_path / "work"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.place, folder)
        (folder / "out").mkdir()
        return folder, self.hub_of(folder) if self.name == "publish" else None

    def again(self, folder, hub):
        """Type the same command once more, and what it asks for; it ends well, or says that all is done already."""
        (folder / "output.txt").unlink(missing_ok=True)
        code = run(folder, self.argv, hub and hub.url)
        said = (folder / "output.txt").read_text()
        if "go on with --resume_from_checkpoint" in said:
            code = run(folder, [*self.argv, "--resume_from_checkpoint"], hub and hub.url)
            said = (folder / "output.txt").read_text()
        assert code == 0 or "already" in said.splitlines()[-1], said
        assert "Traceback" not in said
        found = outcome(folder, hub)
        if self.name == "tune":  # a search that goes on draws other trials
            assert found.keys() >= self.expected.keys() - {"out/head/training_record.json"}, said
        else:
            differing = {
                name for name in found.keys() | self.expected.keys() if found.get(name) != self.expected.get(name)
            }
            assert not differing, said


@pytest.fixture(params=COMMANDS)
def bench(request, place, tmp_path):
    hubs = []

    def hub_of(folder):
        hubs.append(Hub(folder / "hf_home"))
        return hubs[-1]

    yield Bench(request.param, place, tmp_path, hub_of)
    for hub in hubs:
        hub.stop()


def test_killed(bench):
    generator, killed = random.Random(0), 0
    while killed < KILLS:
        folder, hub = bench.fresh()
        process = start(folder, bench.argv, hub and hub.url)
        time.sleep(generator.uniform(0, bench.seconds))
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        bench.again(folder, hub)
    print(f"{bench.name}: {killed} kills within {bench.seconds:.1f} s, nothing lost")


def test_interrupted(bench):
    generator, stopped = random.Random(1), 0
    for _ in range(3 * INTERRUPTIONS):
        folder, hub = bench.fresh()
        process = start(folder, bench.argv, hub and hub.url)
        time.sleep(generator.uniform(0.2, 1) * bench.seconds)
        if process.is_alive():
            os.kill(process.pid, signal.SIGINT)
        process.join()
        stopped += process.exitcode == 130
        bench.again(folder, hub)
        if stopped == INTERRUPTIONS:
            break
    print(f"{bench.name}: {stopped} interruptions within {bench.seconds:.1f} s, all resumed")


@contextlib.contextmanager
def disk(folder, size):
    """A file system of so many bytes at a folder."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_out_of_room(bench):
    if bench.name == "publish":
        pytest.skip("it writes to no folder of the user")
    generator, full = random.Random(2), 0
    folder, _ = bench.fresh()
    assert run(folder, bench.argv, None) == 0
    needed = sum(path.stat().st_size for path in (folder / "out").rglob("*") if path.is_file())
    for _ in range(FULL_DISKS):
        folder, _ = bench.fresh()
        with disk(folder / "out", max(4096, int(generator.uniform(0, 1.2) * needed))):
            code = run(folder, bench.argv, None)
            said = (folder / "output.txt").read_text()
            assert code in (0, 2), said
            assert "Traceback" not in said
            if code == 2:
                full += 1
                assert "error: " in said.splitlines()[-1], said
                subprocess.run(["mount", "-o", "remount,size=1g", folder / "out"], check=True)
                bench.again(folder, None)
    print(f"{bench.name}: {FULL_DISKS} disks of 0 to {1.2 * needed:,.0f} bytes, {full} too small, nothing lost")
