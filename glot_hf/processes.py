# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The processes that share one work: those that torchrun or accelerate launch has started."""

from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env


def shared_by() -> PartialState:
    """
    This process among them; alone, the only one. On CPUs too, where `PartialState()` would take each for the only one.
    They may wait for each other for days: a share of the work takes what it takes.
    """
    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    return PartialState(cpu=on_cpu, timeout=timedelta(days=365))
