import os
import sys

import pytest
import torch

from glot_hf.benchmark.memory import PeakMemory, in_fresh_process


SIZE = 64 * 2**20  # bytes


def measure(exact):
    """The process, and peaks: of a tensor kept and one freed; after that; after many freed with small ones between."""
    torch.ones(SIZE)  # four times as large, before it is counted
    memory = PeakMemory(torch.device("cpu"), exact)
    kept = torch.ones(SIZE // 4)
    torch.ones(SIZE // 4)
    two = memory.read()
    memory.reset()
    one = memory.read()
    del kept
    torch.ones(2**20)  # freed, it makes glibc take smaller ones from its heap
    tensors = [(torch.ones(2**18), torch.ones(2**13)) for _ in range(SIZE // 2**20)]
    small = [last for _, last in tensors]
    del tensors
    memory.reset()
    return os.getpid(), two, one, memory.read(), len(small)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_peak_of_live_tensors_in_a_process_of_its_own():
    process, two, one, none, _ = in_fresh_process(measure, True)
    assert process != os.getpid()
    assert 1.9 * SIZE < two < 2.2 * SIZE
    assert 0.9 * SIZE < one < 1.2 * SIZE
    assert none < 0.2 * SIZE


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_resident_memory_holds_what_the_allocator_keeps():
    assert in_fresh_process(measure, False)[3] > 0.9 * SIZE


def fail():
    raise ValueError("as it was raised")


def test_an_error_in_the_process_is_raised_here():
    with pytest.raises(ValueError, match="as it was raised"):
        in_fresh_process(fail)
