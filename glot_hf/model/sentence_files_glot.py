# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Files by which `SentenceTransformer(folder, trust_remote_code=True)` reads a saved head, and gives its vectors."""

import json
from pathlib import Path
from typing import Any

from .configuration_glot import GlotConfig


_FILES: dict[str, Any] = {
    # One module: the whole model, which gives a vector of each text.
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}
    ],
    "sentence_bert_config.json": {
        "transformer_task": "feature-extraction",
        "modality_config": {"text": {"method": "forward", "method_output_name": "pooler_output"}},
        "module_output_name": "sentence_embedding",
    },
}


SENTENCE_FILES = tuple(_FILES)


def write_sentence_files(config: GlotConfig, folder: str) -> None:
    """Write the files beside a head that reads texts and gives vectors; delete them beside another one."""
    for name, content in _FILES.items():
        path = Path(folder, name)
        if gives_vectors_of_texts(config):
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        else:
            path.unlink(missing_ok=True)


def gives_vectors_of_texts(config: GlotConfig) -> bool:
    """Return whether a head has a backbone that reads texts, and gives a vector of each."""
    has_backbone = config.backbone_in_checkpoint or config.backbone_name_or_path is not None
    return has_backbone and not config.compares_tokens
