# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""One training from a backbone and an objective to a saved head; what differs between heads is in the objective."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from torch import nn
from transformers import PreTrainedTokenizerBase, ProgressCallback, set_seed

from ..loading.backbone import set_max_length
from ..loading.head import new_head
from ..model.pretrained_glot import GlotPreTrainedModel
from ..options.arguments import BackboneArguments, DataArguments, FinetuningArguments, TrainingCacheArguments
from ..options.config import write_config
from ..system.disk import require_room
from ..system.errors import InputError, user_errors
from ..system.machine import name_of_hardware
from ..training.finetuning import (
    add_adapters,
    describe_training,
    find_head_config,
    lora_config,
    require_no_adapters,
    save_trained,
    unfreeze_backbone,
)
from ..training.folder import (
    open_folder,
    push_folder,
    replaced_head,
    require_same_run,
    resumable,
    save_results,
    size_of_head,
)
from ..training.publish import write_card
from ..training.record import TrainingRecord
from ..training.trainer import HeadTrainer, QuietProgress, count_parameters


_LOGGED_SHARE = 0.025  # of the steps: the report's curve has 20 points or more


class Objective(ABC):
    """
    What a head is trained for: which texts and options, which model, how it learns, and how it is judged. The methods
    are called by [`run_training`] once each, in the order in which they stand here.
    """

    model_class: ClassVar[type[GlotPreTrainedModel]]
    data: DataArguments
    options: dict[str, Any]  # of GlotConfig, as they were typed
    cache: TrainingCacheArguments
    typed: set[str]  # names of the options that were typed

    @abstractmethod
    def read(self, arguments: Any) -> dict[str, Any]:
        """
        Read the texts.

        Returns:
            `dict`: the options of [`GlotConfig`] that the head begins with.

        Raises:
            InputError: the texts cannot be read, or an option does not fit them.
        """

    @property
    @abstractmethod
    def max_length(self) -> int:
        """How many tokens a text is cut at, unless the backbone takes fewer."""

    def choose(
        self,
        model: GlotPreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        checkpoint: str | None,
        arguments: Any,
    ) -> GlotPreTrainedModel:
        """Return the head that is trained: `model`, or another one on its backbone."""
        return model

    @property
    @abstractmethod
    def recorded(self) -> dict[str, Any]:
        """Fields of [`TrainingRecord`]: what tells whether a checkpoint is of the same run."""

    @abstractmethod
    def describe_rows(self) -> str:
        """Say how many rows train and how many judge."""

    @abstractmethod
    def make_trainer(
        self, network: Any, tokenizer: PreTrainedTokenizerBase, max_length: int, arguments: Any
    ) -> HeadTrainer:
        """Return what trains the network on the rows, as tokens or as cached hidden states."""

    def fit(self, trainer: HeadTrainer, checkpoint: str | None) -> dict[str, Any]:
        """Train, and return metrics of the training."""
        return trainer.train(resume_from_checkpoint=checkpoint).metrics

    @abstractmethod
    def judge(self, trainer: HeadTrainer) -> dict[str, Any]:
        """
        Return the metrics of the trained head, by names that begin with the split's prefix.

        Raises:
            InputError: an answer is not finite.
        """

    def write(self, folder: Path) -> None:
        """Write what lies beside the head in the folder."""

    @abstractmethod
    def say(self, results: dict[str, Any], folder: str) -> None:
        """Print what the training gave, and how its head is used."""


def run_training(
    objective: Objective,
    backbone: BackboneArguments,
    finetuning: FinetuningArguments,
    arguments: Any,
    command: list[str],
) -> dict[str, Any]:
    """
    Train a head, and what is asked for of its backbone; write them, the tokenizer, all_results.json and
    training_record.json to `arguments.output_dir`.

    Args:
        arguments ([`GlotTrainingArguments`]): of the training.
        command (`list[str]`): what was typed, for the record.

    Returns:
        `dict`: what all_results.json holds.

    Raises:
        InputError: the folder is in use, the texts cannot be read, an option does not fit, or the training diverged.
    """
    is_whole = objective.options["backbone_in_checkpoint"] or finetuning.full_finetuning or finetuning.lora_merge
    checkpoint = open_folder(arguments, backbone.backbone or "", is_whole)
    options = objective.read(arguments)
    source = backbone.source(options.pop("backbone_load_kwargs"))
    with user_errors():
        set_seed(arguments.seed)  # the head's first weights
        model, tokenizer = new_head(objective.model_class, *source, **options)
    network = model.base_model.backbone
    is_default = objective.data.max_length is None
    max_length = set_max_length(tokenizer, objective.max_length, network, is_default=is_default)
    if objective.cache.cache and network.device.type == "cpu":
        network.to(arguments.device)  # where Trainer will want it
    model = objective.choose(model, tokenizer, max_length, checkpoint, arguments)
    trained = _unfreeze(model, finetuning)
    record = TrainingRecord(
        command=command,
        seed=arguments.seed,
        max_length=max_length,
        task=objective.data.task,
        hardware=name_of_hardware(arguments.device),
        **objective.recorded,
    )
    if checkpoint is not None:
        require_same_run(model, checkpoint, find_head_config(trained, checkpoint), record)
    count = count_parameters(model)
    saved = count.head + (count.backbone_trained + count.backbone_frozen if is_whole else 0)
    if arguments.process_index == 0:  # of float32 numbers, what is saved in the end, and once with Adam's two averages
        needed = 4 * (2 * saved + 2 * (count.head + count.backbone_trained))
        require_room(
            arguments.output_dir, needed, "the head and a checkpoint", "make room, or name another --output_dir"
        )
    print(describe_training(*count))
    print(objective.describe_rows())
    with user_errors():  # an option that only Trainer finds wrong
        trainer = objective.make_trainer(trained, tokenizer, max_length, arguments)
    trainer.record = record
    if trainer.pop_callback(ProgressCallback) is not None:
        trainer.add_callback(QuietProgress())
    if "logging_steps" not in objective.typed:
        arguments.logging_steps = _LOGGED_SHARE
    with resumable(arguments, checkpoint):
        results = objective.fit(trainer, checkpoint)
    results |= objective.judge(trainer)
    results |= {
        "head_parameters": count.head,
        "backbone_parameters": count.backbone_trained + count.backbone_frozen,
        "backbone_trained_parameters": count.backbone_trained,
    }
    if arguments.process_index == 0:
        # Not trainer.save_model, which would add training_args.bin, no safe format.
        # What it trained inside a PeftModel may be merged now, and is pushed so.
        with replaced_head(arguments.output_dir) as folder:
            trainer.model = save_trained(trained, folder, arguments.output_dir, finetuning.lora_merge)
            save_results(trainer, results, folder)
            objective.write(Path(folder))
            write_config(Path(folder), command, seed=arguments.seed)
            if isinstance(trainer.model, GlotPreTrainedModel):  # peft writes a card of adapters
                write_card(trainer.model, folder, arguments.output_dir)
        objective.say(results, arguments.output_dir)
    if arguments.push_to_hub:
        push_folder(trainer)
    return results


def _unfreeze(model: GlotPreTrainedModel, finetuning: FinetuningArguments) -> nn.Module:
    """Return the network to train: the model, with all of its backbone or none, or a `PeftModel` around it."""
    if finetuning.trains_backbone:
        require_no_adapters(model)
    if finetuning.full_finetuning:
        unfreeze_backbone(model)
    if finetuning.lora_r is None:
        return model
    targets = finetuning.lora_target_modules or "all-linear"
    dropout = finetuning.lora_dropout or 0.0
    return add_adapters(model, lora_config(finetuning.lora_r, finetuning.lora_alpha, dropout, targets))


def diverged(what: str, trainer: HeadTrainer) -> InputError:
    """Return the error of a training after which `what`, such as "the loss is nan"."""
    return InputError(
        f"{what} after training at --learning_rate {trainer.args.learning_rate}: no head was saved; train with a "
        "smaller one, or with the backbone in bfloat16 or float32 if it is in float16"
    )


def say_how_to_load(folder: str, auto_class: str, last_lines: str, has_parameters: bool = True) -> None:
    """Print how the head in a folder is used, by an Auto class of transformers and what follows."""
    what = f"What was trained is in {folder} ({size_of_head(folder)})" if has_parameters else f"It is in {folder}"
    print(
        f"\n{what}. In Python:\n\n"
        "    import glot_hf\n"
        f"    from transformers import {auto_class}, AutoTokenizer\n\n"
        f"    model = {auto_class}.from_pretrained({folder!r})\n"
        f"    tokenizer = AutoTokenizer.from_pretrained({folder!r})\n{last_lines}"
    )
