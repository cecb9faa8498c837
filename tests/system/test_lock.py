"""A folder of one run at a time: who has it is said, and what the dead left is taken over."""

import json
import os
import socket
import subprocess
import sys

import pytest

from glot_hf.system.errors import InputError
from glot_hf.system.lock import locked, locked_file


def test_the_second_run_is_refused(tmp_path):
    with locked(tmp_path / "head"):
        said = f"another run .process {os.getpid()} on {socket.gethostname()}, since 2"
        with pytest.raises(InputError, match=said), locked(tmp_path / "head"):
            pass
        assert (tmp_path / "head" / ".glot_hf.lock").is_file()
    with locked(tmp_path / "head"):
        (tmp_path / "head" / "config.json").write_text("{}")
    assert os.listdir(tmp_path / "head") == ["config.json"]


def test_a_folder_that_stayed_empty_is_removed(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "new" / "head"):
        1 / 0
    assert not (tmp_path / "new" / "head").exists()
    (tmp_path / "old").mkdir()
    with locked(tmp_path / "old"):
        pass
    assert (tmp_path / "old").is_dir()


def test_the_lock_of_a_dead_run_is_taken_over(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    owner = {"host": socket.gethostname(), "process": process.pid, "since": "2026-01-01 00:00:00"}
    (tmp_path / ".glot_hf.lock").write_text(json.dumps(owner))
    with locked(tmp_path):
        assert json.loads((tmp_path / ".glot_hf.lock").read_text())["process"] == os.getpid()


@pytest.mark.parametrize("content", ["", "{", '{"host": "elsewhere", "process": 1, "since": "today"}'])
def test_a_lock_that_may_be_alive_is_kept(tmp_path, content):
    (tmp_path / ".glot_hf.lock").write_text(content)
    with pytest.raises(InputError, match="if it no longer runs, delete"), locked(tmp_path):
        pass
    assert (tmp_path / ".glot_hf.lock").read_text() == content


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), locked(tmp_path / "file" / "head"):
        pass


def test_a_file_of_one_run(tmp_path):
    path = tmp_path / "vectors.npy"
    with locked_file(path):
        with (
            pytest.raises(InputError, match=r"vectors.npy' is being written by another run .process"),
            locked_file(path),
        ):
            pass
        with locked_file(tmp_path / "others.npy"):
            pass
    assert os.listdir(tmp_path) == []
    with pytest.raises(InputError, match="cannot be written"), locked_file(tmp_path / "no" / "vectors.npy"):
        pass
