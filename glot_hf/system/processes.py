# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The processes that share one work: those that torchrun or accelerate launch has started."""

from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env


def find_processes() -> PartialState:
    """
    Return this process among all; the first call sets its accelerator.

    It knows the others on CPUs too, where a plain `PartialState()` would be alone. The first one to finish waits for
    the others for as long as they need, and not for the usual ten minutes.
    """
    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    return PartialState(cpu=on_cpu, timeout=timedelta(days=365))
