# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Peak memory of a piece of work, in a process of its own."""

import ctypes
import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from ..system.errors import InputError


_PROCESS = Path("/proc/self")
_M_MMAP_THRESHOLD = -3  # of mallopt, in malloc.h


def in_fresh_process(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a function of a module returns in a new process, where no earlier run has left memory behind."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _start, (torch.get_num_threads(),)) as pool:
        return pool.submit(function, *args).result()


def _start(num_threads: int) -> None:
    torch.set_num_threads(num_threads)


class PeakMemory:
    """
    Bytes above those in use when this object was made: of allocated tensors on CUDA, resident memory of the process
    on a CPU, as Linux counts it.

    Args:
        exact (`bool`): on a CPU too, what live tensors take at once. The C library's allocator keeps freed memory for
            later, in pieces that a next tensor may not fit in; from here on, each allocation of 64 KiB or more has
            pages of its own, which go back to the system when it is freed. That is slow: take no times after it.

    Raises:
        InputError: the device is a CPU and the system is not Linux with glibc.
    """

    def __init__(self, device: torch.device, exact: bool = True):
        self._device = device
        if device.type == "cpu":
            library = ctypes.CDLL(None)
            if not (_PROCESS / "clear_refs").exists() or not hasattr(library, "mallopt"):
                raise InputError("peak memory on a CPU needs Linux with glibc: run there, or with --device cuda")
            if exact:
                library.mallopt(_M_MMAP_THRESHOLD, 64 * 1024)
        gc.collect()
        self.reset()
        self._start = self._peak()

    def reset(self) -> None:
        """Forget earlier peaks."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            (_PROCESS / "clear_refs").write_text("5")

    def read(self) -> int:
        """The highest use since the last reset, in bytes above the start."""
        return self._peak() - self._start

    def _peak(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        lines = (_PROCESS / "status").read_text().splitlines()
        kibibytes = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(kibibytes) * 1024
