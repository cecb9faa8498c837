"""A folder of one run at a time: who has it is said, and what the dead left is taken over."""

import json
import multiprocessing
import os
import signal
import socket
import time

import pytest

from glot_hf.system import lock
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


def hold(folder, barrier, taken):
    """Take a lock if it is free, and keep it until killed."""
    barrier.wait()
    try:
        with locked(folder):
            taken.put(os.getpid())
            time.sleep(60)
    except InputError as error:
        taken.put(str(error))


def test_of_several_that_find_a_dead_runs_lock_one_gets_it(tmp_path):
    # At once, again and again; each time the last owner is killed and leaves its lock.
    context = multiprocessing.get_context("fork")
    for _ in range(5):
        barrier, taken = context.Barrier(4), context.Queue()
        processes = [context.Process(target=hold, args=(tmp_path, barrier, taken)) for _ in range(4)]
        for process in processes:
            process.start()
        said = [taken.get(timeout=30) for _ in processes]
        (owner,) = [each for each in said if isinstance(each, int)]
        assert all(f"(process {owner} on " in each for each in said if isinstance(each, str)), said
        os.kill(owner, signal.SIGKILL)
        for process in processes:
            process.join()
        assert (tmp_path / ".glot_hf.lock").is_file()
    with locked(tmp_path):
        assert json.loads((tmp_path / ".glot_hf.lock").read_text())["process"] == os.getpid()


@pytest.mark.parametrize("content", ["", "{", "x" * 1000, '{"host": "elsewhere", "process": 1, "since": "today"}'])
def test_a_lock_that_nobody_holds_is_taken(tmp_path, content):
    (tmp_path / ".glot_hf.lock").write_text(content)
    with locked(tmp_path):
        assert json.loads((tmp_path / ".glot_hf.lock").read_text())["process"] == os.getpid()
    assert os.listdir(tmp_path) == []


def test_a_lock_without_an_owner_still_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: None)
    with locked(tmp_path):
        (tmp_path / ".glot_hf.lock").write_text("")
        with pytest.raises(InputError, match="another run .which is not known.: name another place"), locked(tmp_path):
            pass


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    def without_locks(descriptor, operation):
        raise OSError(lock.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", without_locks)
    with locked(tmp_path):
        assert "this file system has no locks" in capsys.readouterr().err


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), locked(tmp_path / "file" / "head"):
        pass


def test_an_error_under_the_lock_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), locked(tmp_path / "head"):
        raise FileNotFoundError("a file of the user")
    with pytest.raises(FileNotFoundError), locked_file(tmp_path / "vectors.npy"):
        raise FileNotFoundError("a file of the user")


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
