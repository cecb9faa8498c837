import os
import sys

import pytest
import torch

from glot_hf.benchmark.memory import PeakMemory, in_fresh_process


SIZE = 64 * 2**20  # bytes


def peak_of_two_tensors():
    """One that is kept, one that is freed again, and a larger one before it is counted."""
    device = torch.device("cpu")
    torch.ones(4 * SIZE // 4)
    memory = PeakMemory(device)
    kept = torch.ones(SIZE // 4)
    torch.ones(SIZE // 4)
    peak = memory.read()
    memory.reset()
    return os.getpid(), peak, memory.read(), kept.sum().item()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_peak_of_a_process_of_its_own():
    process, peak, rest, _ = in_fresh_process(peak_of_two_tensors)
    assert process != os.getpid()
    assert 1.9 * SIZE < peak < 2.2 * SIZE
    assert 0.9 * SIZE < rest < 1.2 * SIZE


def fail():
    raise ValueError("as it was raised")


def test_an_error_in_the_process_is_raised_here():
    with pytest.raises(ValueError, match="as it was raised"):
        in_fresh_process(fail)
