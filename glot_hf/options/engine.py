# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What runs a job: this process and those that torchrun started, or a Ray cluster."""

from dataclasses import dataclass
from typing import Literal

from ..system.errors import InputError, require_positive
from ..system.options import option


@dataclass
class EngineArguments:
    """
    `--engine ray` and its options.

    Raises:
        InputError: an option of Ray is given without it, or is not positive.
    """

    engine: Literal["ray"] | None = option(
        None,
        "ray: the work is that of a Ray cluster (extra ray), and what is written is a folder of .parquet or .jsonl "
        "files; default: this process, or those that torchrun started.",
    )
    ray_address: str | None = option(
        None, "Address of a running cluster, or auto for the one of this machine; default: one is started here."
    )
    ray_actors: int | None = option(
        None, "Models that are in memory at once; default: one for each GPU, or CPU where there is none."
    )
    keep_order: bool = option(
        False, "Write rows in their order, by the names of the files; default: as they are done, which waits for none."
    )

    def __post_init__(self):
        if self.engine is None and (self.ray_address is not None or self.ray_actors is not None or self.keep_order):
            raise InputError("--ray_address, --ray_actors and --keep_order are about --engine ray: give it too")
        if self.ray_actors is not None:
            require_positive(self.ray_actors, "--ray_actors")
