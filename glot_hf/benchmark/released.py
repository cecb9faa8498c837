# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The released GLOT code (github.com/ipsitmantri/GLOT), imported from a clone: none of it is here."""

import importlib.util
import sys
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from torch import nn

from ..system.errors import InputError


def load_released_pooler(
    repository: str, input_size: int, hidden_size: int, num_layers: int, threshold: float
) -> tuple[nn.Module, list[str]]:
    """
    Its `GLOT` pooler with GAT layers. Runs the code of `main.py` in the clone.

    Returns:
        the pooler, and the packages that main.py imports, that are not installed and that it was given a stand-in for:
        the pooler uses of them only `torch_scatter.scatter_add`, which is PyTorch Geometric's `scatter` then.

    Raises:
        InputError: this is no clone of it, or its code cannot be imported.
    """
    path = Path(repository, "main.py")
    if not path.is_file():
        raise InputError(f"--released_repo {repository!r} holds no main.py: clone github.com/ipsitmantri/GLOT there")
    missing = {name: module for name, module in _stand_ins().items() if importlib.util.find_spec(name) is None}
    specification: Any = importlib.util.spec_from_file_location("released_glot", path)
    module = importlib.util.module_from_spec(specification)
    with mock.patch.dict(sys.modules, missing):
        try:
            specification.loader.exec_module(module)
        except (ImportError, AttributeError) as error:
            raise InputError(f"{str(path)!r} cannot be imported ({error}): install what it needs") from error
    pooler = module.GLOT(input_size, hidden_size, num_layers, jk_mode="cat", conv="gat", tau=threshold)
    return pooler, sorted(missing)


def _stand_ins() -> dict[str, mock.MagicMock]:
    """`mteb` and `wandb` are named where main.py defines what the pooler does not use."""
    from torch_geometric.utils import scatter

    return {
        "mteb": mock.MagicMock(EncoderProtocol=object),
        "torch_scatter": mock.MagicMock(scatter_add=partial(scatter, reduce="sum")),
        "wandb": mock.MagicMock(),
    }
