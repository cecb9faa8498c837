# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A saved head of any kind, ready to answer and to be judged."""

import sys
import tempfile
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from safetensors import SafetensorError
from transformers import PreTrainedTokenizerBase
from transformers.tokenization_utils_base import LARGE_INTEGER
from transformers.trainer_utils import PredictionOutput

from ..data.columns import choose_texts
from ..data.examples import tokenize
from ..data.labels import Labels
from ..data.table_rows import TableRows
from ..data.templates import TextTemplate
from ..data.text_rows import TextRows
from ..loading.head import load_head
from ..model.finite_glot import require_finite
from ..model.modeling_glot import GlotForSequenceClassification, GlotModel
from ..system.errors import InputError, user_errors
from .record import TrainingRecord
from .trainer import GlotTrainingArguments, make_trainer


@dataclass
class TrainedHead:
    model: GlotModel | GlotForSequenceClassification
    tokenizer: PreTrainedTokenizerBase
    record: TrainingRecord

    @property
    def gives_vectors(self) -> bool:
        """Whether the head gives sentence vectors, and no answers."""
        return isinstance(self.model, GlotModel)

    @property
    def is_pair(self) -> bool:
        """Whether the head compares two texts."""
        return self.model.config.pair_mode is not None

    def texts_of(self, source: str, columns: Any) -> TextRows:
        """
        Return the texts of a file: by the columns that are named, else those of the training where the file has them,
        else those that are guessed, which is said.

        Args:
            columns: with `text_column`, `text_template` and `text_pair_column`; None is not named.

        Raises:
            InputError: the file cannot be read, has no such column, or none can be guessed.
        """
        rows = TableRows(source)
        known = {name: getattr(self.record, name) for name in ("text_column", "text_pair_column")}
        known = {name: column if column in rows.columns else None for name, column in known.items()}
        if columns.text_column is not None and columns.text_template is not None:
            raise InputError("--text_column names one column and --text_template several: give one of them")
        made = columns.text_template
        if made is None and columns.text_column is None:
            made = self.record.text_template
        template = None if made is None else TextTemplate(made)
        if template is not None:
            template.require_columns(rows.columns)
        text = template.columns[0] if template else columns.text_column or known["text_column"]
        text_pair = (columns.text_pair_column or known["text_pair_column"]) if self.is_pair else None
        return TextRows(rows, *choose_texts(rows.sample(), text, text_pair, self.is_pair), template)

    @property
    def labels(self) -> Labels:
        """
        Raises:
            InputError: the configuration does not name each class.
        """
        config = self.model.config
        if config.problem_type == "regression":
            return Labels(config.problem_type)
        indices = range(config.num_labels)  # in this order, whichever config.json has them in
        if set(config.id2label) != set(indices):
            raise InputError(
                f"id2label in the head's config.json names the classes {sorted(config.id2label)}: name each from 0 to "
                f"{config.num_labels - 1}"
            )
        return Labels(config.problem_type, tuple(config.id2label[index] for index in indices))

    @property
    def labels_in_files(self) -> Labels:
        """The labels as they stand in data: the numbers of the classes, where the head does not name them."""
        labels = self.labels
        if labels.names and labels.names == tuple(f"LABEL_{index}" for index in range(len(labels.names))):
            return Labels(labels.problem_type, tuple(map(str, range(len(labels.names)))))
        return labels

    @property
    def max_length(self) -> int | None:
        """The number of tokens a text is cut at: the training's, or what tokenizer and backbone take."""
        longest = min(self.tokenizer.model_max_length, self.record.max_length or LARGE_INTEGER)
        return longest if longest < LARGE_INTEGER else None

    def require_pairs(self, given: bool) -> None:
        """
        Raises:
            InputError: this head compares two texts and one is given, or the other way round.
        """
        if self.is_pair and not given:
            raise InputError("this is a pair head: give the second texts too, as --text_pair or --text_pair_column")
        if not self.is_pair and given:
            raise InputError(
                "this head takes one text: --text_pair and --text_pair_column are for pair heads; of a file with "
                "pairs, --text_column names the text to read"
            )

    def tokenize(self, examples: Dataset) -> Dataset:
        return tokenize(examples, self.tokenizer, self.max_length)

    def predict(self, examples: Dataset, batch_size: int, prefix: str = "test") -> PredictionOutput:
        """
        Return logits `(N, num_labels)` of examples and, where these have labels, metrics by names with the prefix.

        Raises:
            InputError: an answer is not finite; names its row, counted from 1, and the text.
        """
        trainer = make_trainer(self.model, self.tokenizer, evaluation_arguments(batch_size))
        prediction = trainer.predict(self.tokenize(examples), metric_key_prefix=prefix)
        with user_errors():
            require_finite(self.model, torch.from_numpy(prediction.predictions), examples["text"])
        return prediction


def load_trained(name: str, trust: dict[str, bool]) -> TrainedHead:
    """
    Load a head that reads text, whoever saved it, and what its record says of its training, where there is one.

    Args:
        name (`str`): as in [`load_head`].
        trust (`dict`): in the code of the backbone, as [`TrustArguments`] has it.

    Raises:
        InputError: there is no head, its backbone is not recorded or cannot be found, or its record is damaged.
    """
    with user_errors(RuntimeError, SafetensorError):
        model, tokenizer = load_head(name, trust)
    if tokenizer is None:
        raise InputError(f"the head in {name!r} names no backbone, so it cannot read text")
    return with_record(name, model, tokenizer)


def with_record(
    name: str, model: GlotModel | GlotForSequenceClassification, tokenizer: PreTrainedTokenizerBase
) -> TrainedHead:
    """
    Return a head that [`load_head`] loaded with what its record says. A problem type that the head does not say is
    found, and said, as Trainer and the pipelines of transformers take it.

    Raises:
        InputError: its record is damaged.
    """
    if model.config.problem_type is None and not isinstance(model, GlotModel):
        model.config.problem_type = "regression" if model.config.num_labels == 1 else "single_label_classification"
        print(
            f"the head does not say its problem_type: takes {model.config.problem_type} (config.json may name one)",
            file=sys.stderr,
        )
    return TrainedHead(model, tokenizer, TrainingRecord.find(name))


def evaluation_arguments(batch_size: int) -> GlotTrainingArguments:
    """Return the arguments of a Trainer that evaluates, and writes nothing."""
    return GlotTrainingArguments(
        output_dir=tempfile.gettempdir(), per_device_eval_batch_size=batch_size, eval_strategy="no"
    )
