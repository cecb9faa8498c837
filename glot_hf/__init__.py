# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""GLOT sentence heads on frozen language models. Importing the package registers them with the Auto classes."""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from .data.examples import PairCollator
    from .model.configuration_glot import GlotConfig
    from .model.graph_glot import token_graph
    from .model.modeling_glot import GlotForSequenceClassification, GlotModel, GlotModelOutput
    from .model.pipeline_glot import GlotTextClassificationPipeline
    from .model.pooling_glot import GlotPooler
    from .model.pretrained_glot import GlotPreTrainedModel
    from .model.version_glot import __version__
    from .states.cache import HiddenStateCache
    from .states.running import HiddenStateCollator
    from .training.contrastive import ContrastiveLoss
    from .training.contrastive_trainer import ContrastiveTrainer

__all__ = [
    "ContrastiveLoss",
    "ContrastiveTrainer",
    "GlotConfig",
    "GlotForSequenceClassification",
    "GlotModel",
    "GlotModelOutput",
    "GlotPooler",
    "GlotPreTrainedModel",
    "GlotTextClassificationPipeline",
    "HiddenStateCache",
    "HiddenStateCollator",
    "PairCollator",
    "__version__",
    "token_graph",
]

# The module of each public name, which is imported when the name is first used: some need the extra `train`.
_MODULES = {
    "ContrastiveLoss": ".training.contrastive",
    "ContrastiveTrainer": ".training.contrastive_trainer",
    "GlotConfig": ".model.configuration_glot",
    "GlotForSequenceClassification": ".model.modeling_glot",
    "GlotModel": ".model.modeling_glot",
    "GlotModelOutput": ".model.modeling_glot",
    "GlotPooler": ".model.pooling_glot",
    "GlotPreTrainedModel": ".model.pretrained_glot",
    "GlotTextClassificationPipeline": ".model.pipeline_glot",
    "HiddenStateCache": ".states.cache",
    "HiddenStateCollator": ".states.running",
    "PairCollator": ".data.examples",
    "__version__": ".model.version_glot",
    "token_graph": ".model.graph_glot",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_MODULES[name], __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def register() -> None:
    """Register the heads with the Auto classes. Calling it again changes nothing."""
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    from .model.configuration_glot import GlotConfig
    from .model.modeling_glot import GlotForSequenceClassification, GlotModel

    AutoConfig.register(GlotConfig.model_type, GlotConfig, exist_ok=True)
    AutoModel.register(GlotConfig, GlotModel, exist_ok=True)
    AutoModelForSequenceClassification.register(GlotConfig, GlotForSequenceClassification, exist_ok=True)


def _is_command_line() -> bool:
    """Return whether this process is `glot-hf ...` or `python -m glot_hf.commands.main ...`."""
    program = os.path.splitext(os.path.basename(next(iter(sys.argv), "")))[0]
    return program == "glot-hf" or (program == "-m" and f"{__name__}.commands.main" in sys.orig_argv)


# The Auto classes cannot be told of a head without importing torch and transformers, which takes seconds. A user's
# program has to have them told here, as `import glot_hf` is all that it says; the command line tells them itself when
# it runs a command, so that `glot-hf --help` answers at once.
if not _is_command_line():
    register()
