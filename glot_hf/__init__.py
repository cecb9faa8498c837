# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""GLOT sentence heads on frozen language models. Importing the package registers them with the Auto classes."""

from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from .configuration_glot import GlotConfig
from .modeling_glot import GlotForSequenceClassification, GlotModel, GlotModelOutput, GlotPreTrainedModel
from .pooling_glot import GlotPooler
from .version import __version__


AutoConfig.register(GlotConfig.model_type, GlotConfig)
AutoModel.register(GlotConfig, GlotModel)
AutoModelForSequenceClassification.register(GlotConfig, GlotForSequenceClassification)

__all__ = [
    "GlotConfig",
    "GlotForSequenceClassification",
    "GlotModel",
    "GlotModelOutput",
    "GlotPooler",
    "GlotPreTrainedModel",
    "__version__",
]
