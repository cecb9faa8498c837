# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a result was measured on."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import torch


_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "accelerate",
    "peft",
    "safetensors",
    "huggingface-hub",
    "datasets",
    "scikit-learn",
    "sentence-transformers",
    "torch-geometric",
)


def describe_machine(device: torch.device) -> dict[str, Any]:
    """CPU model, cores, threads, memory in bytes, accelerator, and versions."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "device": str(device),
        "accelerator": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "system": platform.platform(),
        "versions": {"glot_hf": _version("glot-hf"), "python": platform.python_version()}
        | {name: _version(name) for name in _PACKAGES},
    }


def name_of_hardware(device: torch.device) -> str:
    """Return a name such as "NVIDIA H200" or "Intel(R) Xeon(R) Processor, 2 cores"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{_cpu_model()}, {os.cpu_count()} cores"


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
