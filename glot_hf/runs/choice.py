# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""When `glot-hf train` chooses the head itself, and the head that it chooses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer_utils import SchedulerType

from ..data.labels import Labels
from ..model.modeling_glot import GlotForSequenceClassification
from ..options.arguments import FinetuningArguments, RecipeArguments, TrainingCacheArguments, TuneArguments
from ..system.errors import InputError, require_extra
from ..training.checked_options import OF_STEPS
from ..training.on_states import Rows
from ..training.record import TrainingRecord
from ..tuning.plan import Plan, make_plan, plan_layers
from ..tuning.recipe import METRICS


# These say where the states come from, and leave the head to be chosen.
_OF_THE_STATES = {"backbone_layers", "backbone_load_kwargs", "backbone_in_checkpoint", "input_size", "token_features"}


class Chosen(NamedTuple):
    """
    What `glot-hf train` chooses.

    Args:
        head (`bool`): the head and how it trains.
        layers (`bool`): the layers that it reads.
        threshold (`float`, *optional*): as in [`~glot_hf.tuning.plan.make_plan`].
        fits (`bool`): a head that is one linear layer is fitted to convergence.
        search ([`TuneArguments`], *optional*): of `glot-hf tune`, which searches longer.
        class_weight (`str`, *optional*): see [`~glot_hf.training.class_weights.class_weights`].
    """

    head: bool
    layers: bool
    threshold: float | Literal["auto"] | None
    fits: bool
    search: TuneArguments | None = None
    class_weight: str | None = None


def what_is_chosen(
    recipe: RecipeArguments,
    finetuning: FinetuningArguments,
    cache: TrainingCacheArguments,
    head_typed: set[str],
    typed: set[str],
    is_auto: bool,
) -> Chosen:
    """
    Decide what is chosen, and say why the head is not where one might expect it.

    Args:
        head_typed (`set[str]`): names of the options of [`GlotConfig`] that were typed.
        typed (`set[str]`): names of all options that were typed.
        is_auto (`bool`): `--backbone_layers auto` was typed.

    Raises:
        InputError: options exclude each other.
    """
    threshold = recipe.fixed_threshold
    given = sorted((head_typed - _OF_THE_STATES) | (typed & OF_STEPS))
    reason = None
    if finetuning.trains_backbone:
        reason = "the backbone trains too"
    elif not cache.cache:
        reason = "--no_cache keeps no hidden states to choose by"
    elif given:
        reason = f"typed: {', '.join(f'--{name}' for name in given)}"
    if is_auto and (finetuning.trains_backbone or recipe.recipe == "paper"):
        why = "--recipe paper reads the last layer" if recipe.recipe == "paper" else reason
        raise InputError(
            f"--backbone_layers auto is for a frozen backbone and the default recipe ({why}): name a layer"
        )
    chooses = recipe.recipe == "default" and reason is None
    if "recipe" in typed and recipe.recipe == "default" and not chooses:
        raise InputError(f"--recipe default chooses the head and how it trains ({reason}): leave one of them out")
    if "threshold" in typed and threshold == "auto" and not chooses:
        raise InputError("--threshold auto chooses with the default recipe alone: give a number or none")
    if recipe.recipe == "default" and not chooses:
        print(f"recipe: none, the head is trained as asked ({reason})")
    layers = is_auto or (chooses and "backbone_layers" not in typed)
    return Chosen(chooses, layers, threshold, fits=recipe.recipe == "default", class_weight=recipe.class_weight)


def metric_of(named: str | None, of_task: str | None, labels: Labels, is_weighted: bool = False) -> str:
    """
    Return the metric that heads are compared by: as it was named, the task's, or the usual one of such labels.

    Args:
        is_weighted (`bool`): classes have weights, as every class is to count: macro F1 is usual then, as accuracy
            would favour the head that ignores rare classes.
    """
    name = (named or of_task or "loss").removeprefix("eval_")
    if name != "loss":
        return name
    return "f1_macro" if is_weighted else METRICS[labels.problem_type]


def choose(
    chosen: Chosen,
    options: dict[str, Any],
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Dataset,
    labels: Labels,
    states_of: Callable[..., dict[str, Rows]],
    metric: str,
    max_length: int | None,
    arguments: Any,
    weights: list[float] | None = None,
) -> Plan:
    """
    Choose what is to be chosen, on training rows alone.

    Args:
        options (`dict`): the options of [`GlotConfig`] as they were typed.
        states_of: returns the states of all splits at some layers, with the token features of `options` or with
            others that it is given; those of "train" are read.
        metric (`str`): see [`metric_of`].
        arguments ([`GlotTrainingArguments`]): of the training that follows.
        weights (`list[float]`, *optional*): what a training row of each class counts; default: the same.
    """
    if not chosen.head:
        return plan_layers(backbone, tokenizer, examples, labels, max_length, arguments.seed)
    if chosen.search is not None:
        require_extra("tune", "optuna")
        from ..tuning.tune import tune

        return tune(
            backbone,
            tokenizer,
            examples,
            labels,
            lambda layers, token_features: states_of(layers, token_features)["train"],
            metric,
            Path(arguments.output_dir, "tuning"),
            chosen.search.minutes,
            chosen.search.trials,
            chosen.threshold,
            max_length,
            weights,
            chosen.search.token_features,
        )
    return make_plan(
        backbone,
        tokenizer,
        examples,
        labels,
        lambda layers: states_of(layers)["train"],
        metric,
        layers=None if chosen.layers else options["backbone_layers"],
        threshold=chosen.threshold,
        max_length=max_length,
        seed=arguments.seed,
        weights=weights,
        token_features=options["token_features"],
    )


def recorded_plan(checkpoint: str) -> Plan | None:
    """
    Return the plan of an interrupted training, or None where nothing was chosen.

    Raises:
        InputError: its record is damaged.
    """
    recipe = TrainingRecord.find(checkpoint).recipe
    try:
        return None if recipe is None else Plan(**recipe)
    except TypeError as error:
        raise InputError(
            f"the recipe in {checkpoint!r} is of another version of glot_hf ({error}): start anew with "
            "--overwrite_output_dir"
        ) from error


def apply_plan(plan: Plan, arguments: Any) -> None:
    """Train as a plan says: sets options of [`GlotTrainingArguments`]."""
    for name, value in plan.training_options.items():
        setattr(arguments, name, SchedulerType(value) if name == "lr_scheduler_type" else value)


def head_of(plan: Plan, model: GlotForSequenceClassification, **options: Any) -> GlotForSequenceClassification:
    """
    Return a new head with a plan's options on the backbone of another head, which is recorded in the same way.

    Args:
        options: options of [`GlotConfig`], which those of the plan go before.
    """
    backbone: Any = model.glot.backbone
    chosen = GlotForSequenceClassification.from_backbone(backbone, **options | plan.head_options)
    for name in ("backbone_name_or_path", "backbone_revision", "backbone_load_kwargs"):
        setattr(chosen.config, name, getattr(model.config, name))
    return chosen
