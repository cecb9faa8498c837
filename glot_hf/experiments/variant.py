# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What is compared: a pooling with options of its own."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Variant:
    """
    A pooling with options of its own.

    Args:
        name (`str`): as it was asked for, such as "glot" or "glot:graph_type=self,input_norm=standard".
        options (`dict`): options of [`GlotConfig`], `pooling` among them.
    """

    name: str
    options: dict[str, Any]

    @property
    def file_name(self) -> str:
        """The name without its colon, which file names cannot hold everywhere."""
        return self.name.replace(":", "+")
