# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Which model made the vectors: everything about it that changes them, as a record of JSON values."""

from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.tokenization_utils_base import LARGE_INTEGER

from ..model.pretrained_glot import GlotPreTrainedModel
from ..states.key import hash_config, hash_json, hash_tokenizer, hash_weights


# Of a head's configuration, what does not change its vectors, or is said by other fields of the key.
_NOT_OF_VECTORS = {"_name_or_path", "architectures", "auto_map", "custom_pipelines", "dtype", "transformers_version"}
_NOT_OF_VECTORS |= {"backbone_name_or_path", "backbone_revision", "backbone_config", "backbone_fingerprint"}
_NOT_OF_VECTORS |= {"id2label", "label2id"}


def model_key(model: GlotPreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """
    Return the key of a head with its backbone, wherever both run. Reads every weight.

    Raises:
        ValueError: some of the weights are not in memory.
    """
    base = model.base_model
    options = {name: value for name, value in base.config.to_dict().items() if name not in _NOT_OF_VECTORS}
    max_length = tokenizer.model_max_length
    return {
        "weights": hash_weights(model),
        "config": hash_json(options),
        "backbone_config": hash_config(base.backbone.config),
        "tokenizer": hash_tokenizer(tokenizer),
        "max_length": max_length if max_length < LARGE_INTEGER else None,
    }
