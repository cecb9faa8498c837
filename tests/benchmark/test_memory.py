import os
import sys

import pytest
import torch

from glot_hf.benchmark.memory import PeakMemory, in_fresh_process


SIZE = 64 * 2**20  # bytes


def peak_of_two_tensors():
    """One that is kept, and one that is freed again; a larger one before it is counted."""
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


def peak_of_many_tensors():
    """Never more than one at a time, each a little larger than the one before."""
    memory = PeakMemory(torch.device("cpu"))
    for step in range(64):
        kept = torch.ones(4096), torch.ones(2**20 + 4096 * step)  # the small one splits what was freed
        del kept
    return memory.read()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_the_allocator_keeps_is_not_counted():
    assert in_fresh_process(peak_of_many_tensors) < 1.5 * 4 * (2**20 + 4096 * 64)


def fail():
    raise ValueError("as it was raised")


def test_an_error_in_the_process_is_raised_here():
    with pytest.raises(ValueError, match="as it was raised"):
        in_fresh_process(fail)
