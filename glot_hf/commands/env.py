# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf env`: versions, hardware, threads and caches, which a report of a fault needs."""

from typing import Any

from ..options.parser import CommandParser


def parser() -> CommandParser:
    """Return the parser of the command line."""
    return CommandParser(prog="glot-hf env", description=__doc__)


def run(argv: list[str]) -> None:
    parser().parse(argv)
    from huggingface_hub import constants

    from ..states.cache import DEFAULT_ROOT
    from ..states.folder import num_bytes
    from ..system.disk import format_bytes
    from ..system.machine import describe_machine
    from ..system.processes import find_processes

    device: Any = find_processes().device
    found = describe_machine(device)
    for name, version in found.pop("versions").items():
        print(f"{name:<22} {version or 'not installed'}")
    found["memory"] = format_bytes(found["memory"])
    found["accelerator"] = found["accelerator"] or "none"
    for name, value in found.items():
        print(f"{name:<22} {value}")
    size = format_bytes(num_bytes(DEFAULT_ROOT)) if DEFAULT_ROOT.is_dir() else "nothing yet"
    print(f"{'hidden states':<22} {DEFAULT_ROOT}, {size}")
    print(f"{'offline':<22} {'yes' if constants.HF_HUB_OFFLINE else 'no'} (HF_HUB_OFFLINE)")
