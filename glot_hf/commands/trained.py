# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A folder that `glot-hf train` wrote, opened for use."""

import os
import tempfile
from dataclasses import dataclass

from datasets import Dataset
from safetensors import SafetensorError
from transformers import AutoTokenizer, PreTrainedTokenizerBase, Trainer

from ..data.examples import tokenize
from ..data.labels import Labels
from ..errors import InputError
from ..modeling_glot import GlotForSequenceClassification
from ..training import GlotTrainingArguments, make_trainer
from ..training_record import TrainingRecord
from .arguments import EMBEDDING, user_errors
from .finetuning import ADAPTER_CONFIG, load_adapter


@dataclass
class TrainedHead:
    model: GlotForSequenceClassification
    tokenizer: PreTrainedTokenizerBase
    record: TrainingRecord

    @property
    def labels(self) -> Labels:
        config = self.model.config
        names = () if config.problem_type == "regression" else tuple(config.id2label.values())
        return Labels(config.problem_type, names)

    def require_pairs(self, given: bool) -> None:
        """
        Raises:
            InputError: this head compares two texts and one is given, or the other way round.
        """
        if self.model.config.pair_mode is not None and not given:
            raise InputError("this is a pair head: give the second texts too, as --text_pair or --text_pair_column")
        if self.model.config.pair_mode is None and given:
            raise InputError("this head takes one text: --text_pair and --text_pair_column are for pair heads")

    def tokenize(self, examples: Dataset) -> Dataset:
        return tokenize(examples, self.tokenizer, self.record.max_length)

    def trainer(self, batch_size: int) -> Trainer:
        """For evaluation and prediction; it writes nothing."""
        arguments = GlotTrainingArguments(
            output_dir=tempfile.gettempdir(), per_device_eval_batch_size=batch_size, eval_strategy="no"
        )
        return make_trainer(self.model, self.tokenizer, arguments)


def load_trained(folder: str, trust: dict[str, bool]) -> TrainedHead:
    """
    Args:
        trust (`dict`): in the code of the backbone, as [`TrustArguments`] has it.

    Raises:
        InputError: the folder is not one that `glot-hf train` wrote, is of a head that gives vectors, or its backbone
            cannot be found.
    """
    record = TrainingRecord.load(folder)
    if record.task == EMBEDDING:
        raise InputError(
            f"{folder!r} gives sentence vectors and no answers: in Python, AutoModel.from_pretrained({folder!r}) has "
            "encode(texts, tokenizer)"
        )
    with user_errors(RuntimeError, SafetensorError):
        is_adapter = os.path.isfile(os.path.join(folder, ADAPTER_CONFIG))
        if is_adapter:
            model = load_adapter(folder, trust)
        else:
            model = GlotForSequenceClassification.from_pretrained(folder, backbone_kwargs=trust)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code="trust_remote_code" in trust)
        return TrainedHead(model, tokenizer, record)
