# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf train --task embedding`: texts that belong together in, a head that gives sentence vectors out."""

import math
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, set_seed

from ..data.examples import tokenize
from ..data.text_groups import GroupDataset, TextGroups, distinct_texts
from ..model.finite_glot import require_finite
from ..model.modeling_glot import GlotModel
from ..states.key import hash_json
from ..system.errors import InputError, user_errors
from ..system.machine import name_of_hardware
from ..training.contrastive import ContrastiveLoss
from ..training.contrastive_trainer import main_metric, make_contrastive_trainer
from ..training.folder import (
    open_folder,
    push_folder,
    replaced_head,
    require_same_run,
    resumable,
    save_results,
    size_of_head,
)
from ..training.metrics import embedding_metric_names, greater_is_better
from ..training.record import COLUMNS, TrainingRecord
from ..training.trainer import count_parameters
from .arguments import (
    BackboneArguments,
    ContrastiveArguments,
    DataArguments,
    FinetuningArguments,
    TrainingCacheArguments,
    typed_options,
)
from .backbone import set_max_length
from .embedding_texts import training_groups, validation_groups
from .finetuning import describe_training, save_trained
from .head import new_head
from .hidden_states import cached_rows, describe
from .texts import MAX_LENGTH
from .trained import TrainedHead, evaluation_arguments
from .training_options import require_effective, require_metric


def train_embedding(
    backbone: BackboneArguments,
    data: DataArguments,
    options: dict[str, Any],
    contrastive: ContrastiveArguments,
    cache: TrainingCacheArguments,
    arguments: Any,
    command: list[str],
) -> dict[str, float]:
    """
    Train a [`GlotModel`] by the contrastive loss, and write what `glot-hf train` writes of any head.

    Returns:
        `dict[str, float]`: what all_results.json holds.

    Raises:
        InputError: the folder is in use, the texts cannot be read, an option does not fit, or the training diverged.
    """
    checkpoint = open_folder(arguments, backbone.backbone, options["backbone_in_checkpoint"])
    train, validation = training_groups(data, contrastive, arguments.seed)
    validation = validation.longest_first()
    metric, typed = main_metric(validation), typed_options(command)
    if "metric_for_best_model" not in typed:
        arguments.metric_for_best_model = metric
        if "greater_is_better" not in typed:
            arguments.greater_is_better = greater_is_better(metric)
    names = embedding_metric_names(validation.scores is not None, contrastive.loss.matryoshka_sizes)
    require_effective(arguments, trains_backbone=False, problem_type=None)
    require_metric(arguments, names if validation.scores is not None else ["loss", *names])
    max_length = MAX_LENGTH if data.max_length is None else data.max_length
    with user_errors():
        set_seed(arguments.seed)  # the head's first weights
        model, tokenizer = new_head(GlotModel, backbone, **options)
    max_length = set_max_length(tokenizer, max_length, model.backbone, is_default=data.max_length is None)
    record = TrainingRecord(
        command=command,
        seed=arguments.seed,
        max_length=max_length,
        task=data.task,
        rows=hash_json([train.groups, train.scores]),
        hardware=name_of_hardware(arguments.device),
        **{name: getattr(data, name) for name in COLUMNS},
    )
    if checkpoint is not None:
        require_same_run(model, checkpoint, checkpoint, record)
    count, frozen = count_parameters(model), FinetuningArguments()
    is_main = arguments.process_index == 0
    print(describe_training(count, frozen))
    print(f"{len(train):,} training pairs, {len(validation):,} for validation")

    with user_errors():  # an option that only Trainer finds wrong
        live = _tokenized(validation, tokenizer, max_length)
        texts = distinct_texts([train, validation])
        if cache.cache:
            if model.backbone.device.type == "cpu":
                model.backbone.to(arguments.device)  # where Trainer will want it
            where = {"revision": model.config.backbone_revision, "layers": model.config.backbone_layers}
            where["token_features"] = model.config.token_features
            splits = {"all": {"text": texts}}
            encoded = cached_rows(model.backbone, tokenizer, splits, cache, max_length=max_length, **where)["all"]
            rows = [GroupDataset(groups, texts, encoded) for groups in (train, validation)]
            print(f"{describe(encoded)} (--no_cache goes without)")
        else:
            rows = [_tokenized(train, tokenizer, max_length), live]
        trainer = make_contrastive_trainer(model, tokenizer, arguments, contrastive.loss, *rows)
    trainer.record = record
    with resumable(arguments, checkpoint):
        results = trainer.train(resume_from_checkpoint=checkpoint).metrics
    results |= trainer.evaluate(live)
    if not all(math.isfinite(value) for name, value in results.items() if name.startswith("eval_")):
        raise InputError(
            f"the vectors are not finite after training at --learning_rate {arguments.learning_rate}: no head was "
            "saved; train with a smaller one, or with the backbone in bfloat16 or float32 if it is in float16"
        )
    if cache.cache and encoded.dtype != model.backbone.dtype:
        results |= trainer.evaluate(rows[1], metric_key_prefix="cache_eval")
    results |= {"head_parameters": count.head, "backbone_parameters": count.backbone_frozen}
    if is_main:
        # Not trainer.save_model, which would add training_args.bin, no safe format.
        with replaced_head(arguments.output_dir) as folder:
            save_trained(model, frozen, folder, arguments.output_dir)
            save_results(trainer, results, folder)
        if f"cache_eval_{metric}" in results:
            scores = f"{results[f'cache_eval_{metric}']:.4f}, live {results[f'eval_{metric}']:.4f}"
            print(f"\nThe cache, in {cache.cache_dtype}, gives {metric} {scores}")
        _say_how_to_load(arguments.output_dir, count.head > 0)
    if arguments.push_to_hub:
        push_folder(trainer)
    return results


def evaluate_embedding(head: TrainedHead, data: Any) -> dict[str, float]:
    """
    A trained head's metrics on a file of pairs.

    Args:
        data: `EvaluationArguments`; columns that it does not name are those of the training, or guessed.

    Raises:
        InputError: there is no file, or a vector is not finite.
    """
    if data.validation_file is None or data.task is not None or data.data_dir is not None:
        raise InputError("this head gives vectors: name pairs, with scores or without, by --validation_file alone")
    for name in COLUMNS:
        setattr(data, name, getattr(data, name) or getattr(head.record, name))
    validation = validation_groups(data.validation_file, data, ContrastiveArguments()).longest_first()
    arguments = evaluation_arguments(data.batch_size)
    trainer = make_contrastive_trainer(head.model, head.tokenizer, arguments, ContrastiveLoss())
    prediction = trainer.predict(_tokenized(validation, head.tokenizer, head.max_length), metric_key_prefix="eval")
    vectors = torch.from_numpy(prediction.predictions).flatten(0, 1)  # (N * k, D)
    with user_errors():
        require_finite(head.model, vectors, [text for group in validation.groups for text in group])
    return prediction.metrics


def _tokenized(groups: TextGroups, tokenizer: PreTrainedTokenizerBase, max_length: int | None) -> GroupDataset:
    """Return rows of tokens, for which the backbone runs in every step."""
    texts = distinct_texts([groups])
    return GroupDataset(groups, texts, tokenize(Dataset.from_dict({"text": texts}), tokenizer, max_length))


def _say_how_to_load(folder: str, has_parameters: bool) -> None:
    what = f"What was trained is in {folder} ({size_of_head(folder)})" if has_parameters else f"It is in {folder}"
    print(
        f"\n{what}. In Python:\n\n"
        "    import glot_hf\n"
        "    from transformers import AutoModel, AutoTokenizer\n\n"
        f"    model = AutoModel.from_pretrained({folder!r})\n"
        f"    tokenizer = AutoTokenizer.from_pretrained({folder!r})\n"
        '    vectors = model.encode(["a text", "another"], tokenizer)'
    )
