# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""GLOT sentence heads on frozen language models. Importing the package registers them with the Auto classes."""

from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from .model.configuration_glot import GlotConfig
from .model.modeling_glot import GlotForSequenceClassification, GlotModel, GlotModelOutput
from .model.pipeline_glot import GlotTextClassificationPipeline
from .model.pooling_glot import GlotPooler
from .model.pretrained_glot import GlotPreTrainedModel
from .model.version_glot import __version__


AutoConfig.register(GlotConfig.model_type, GlotConfig, exist_ok=True)
AutoModel.register(GlotConfig, GlotModel, exist_ok=True)
AutoModelForSequenceClassification.register(GlotConfig, GlotForSequenceClassification, exist_ok=True)

__all__ = [
    "GlotConfig",
    "GlotForSequenceClassification",
    "GlotModel",
    "GlotModelOutput",
    "GlotPooler",
    "GlotPreTrainedModel",
    "GlotTextClassificationPipeline",
    "__version__",
]
