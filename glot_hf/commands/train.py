# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf train`: text in, a head out; with options, a tuned backbone too."""

import math
import shlex
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..system.errors import InputError, require_extra, user_errors
from .arguments import (
    AUTO,
    EMBEDDING,
    BackboneArguments,
    ContrastiveArguments,
    DataArguments,
    FinetuningArguments,
    HeadArguments,
    RecipeArguments,
    TrainingCacheArguments,
    given_head_options,
    head_options,
    typed_options,
)
from .backbone import require_backbone, set_max_length
from .head import new_head
from .parser import CommandParser, asks_for_help


if TYPE_CHECKING:  # their rooms need the extra `train`, which is asked for first
    from ..states.cache import HiddenStateCache
    from .recipe import Chosen


# Of a user's own pairs: concat sees each text by itself, and so cannot compare them.
PAIR_MODE = "interaction"
COMMON = (
    "backbone train_file validation_file text_column text_pair_column label_column task data_dir output_dir recipe "
    "threshold max_length seed learning_rate num_train_epochs per_device_train_batch_size"
).split()


def parser(shows_all: bool = True) -> CommandParser:
    """
    Return the parser of the command line.

    Args:
        shows_all (`bool`): with every option of `TrainingArguments`, for which torch is imported; else with those
            alone that `--help` shows.

    Raises:
        InputError: the extra is missing that every option needs.
    """
    if shows_all:
        require_extra("train", "datasets", "sklearn", "scipy", "matplotlib")
        from ..training.trainer import GlotTrainingArguments as Training
    else:
        from ..training.options import TrainingOptions as Training
    parser = CommandParser(
        BackboneArguments,
        DataArguments,
        RecipeArguments,
        HeadArguments,
        FinetuningArguments,
        ContrastiveArguments,
        TrainingCacheArguments,
        Training,
        prog="glot-hf train",
        description=__doc__,
        common=COMMON,
        examples=[
            "glot-hf train --backbone bert-base-uncased --train_file reviews.csv --output_dir head",
            "glot-hf train --backbone bert-base-uncased --task mrpc --data_dir glue_data/MRPC --pair_mode late "
            "--learning_rate 1e-3 --output_dir pairs",
        ],
    )
    parser.add_argument("--help_all", action="help", help="show every option of TrainingArguments too, and exit")
    return parser


def run(argv: list[str]) -> None:
    backbone, data, recipe, head, finetuning, contrastive, cache, arguments = parser(not asks_for_help(argv)).parse(
        argv
    )
    from ..training.folder import alone_in

    require_backbone(backbone)
    typed, is_auto = typed_options(argv), head.backbone_layers == [AUTO]
    if is_auto:
        head.backbone_layers = [-1]  # until the probe has found others
    cache.require_possible(typed)
    options, command = head_options(head), ["glot-hf", "train", *argv]
    if data.task == EMBEDDING:
        _require_embedding_options(options, finetuning)
        contrastive.require_possible(options)
        if is_auto or typed & {"recipe", "threshold"}:
            raise InputError("--recipe, --threshold and --backbone_layers auto need labels: --task embedding has none")
        from .train_embedding import train_embedding

        with alone_in(arguments):
            train_embedding(backbone, data, options, contrastive, cache, arguments, command)
        return
    for option in fields(ContrastiveArguments):
        if option.name in typed:
            raise InputError(f"--{option.name} belongs to --task embedding")
    finetuning.require_possible(options, typed)
    if arguments.push_to_hub and finetuning.lora_r is not None and not finetuning.lora_merge:
        raise InputError("--push_to_hub publishes a head or a whole model and not LoRA adapters: add --lora_merge")
    from .recipe import what_is_chosen

    chosen = what_is_chosen(recipe, finetuning, cache, set(given_head_options(head, argv)), typed, is_auto)
    cache.cache = cache.cache and not finetuning.trains_backbone  # the states change in every step
    with alone_in(arguments):
        train(backbone, data, options, chosen, finetuning, cache, arguments, command)


def train(
    backbone: BackboneArguments,
    data: DataArguments,
    options: dict[str, Any],
    chosen: "Chosen",
    finetuning: FinetuningArguments,
    cache: TrainingCacheArguments,
    arguments: Any,
    command: list[str],
) -> dict[str, float]:
    """
    Train a head, and what is asked for of its backbone; write them, the tokenizer, all_results.json and
    training_record.json to `arguments.output_dir`.

    Returns:
        `dict[str, float]`: what all_results.json holds.

    Raises:
        InputError: the folder is in use, the texts cannot be read, an option does not fit, or the training diverged.
    """
    from transformers import set_seed

    from ..data.examples import tokenize
    from ..data.tasks import find_task
    from ..model.modeling_glot import GlotForSequenceClassification
    from ..reports.answers import count_classes, report_answers
    from ..reports.baseline import linear_baseline
    from ..reports.course import advice_on, curve_of
    from ..reports.report import print_report, write_report
    from ..states.key import hash_json
    from ..system.machine import name_of_hardware
    from ..training.folder import open_folder, push_folder, replaced_head, require_same_run, resumable, save_results
    from ..training.linear_fit import is_linear
    from ..training.metrics import metric_names
    from ..training.record import TrainingRecord
    from ..training.trainer import (
        cache_disagreement,
        count_parameters,
        last_evaluation,
        make_trainer,
    )
    from .finetuning import describe_training, find_head_config, save_trained, unfreeze
    from .hidden_states import cached_rows, describe
    from .recipe import apply_plan, choose, head_of, metric_of, recorded_plan
    from .texts import max_length_of, positions_of_held_out, training_examples
    from .training_options import require_effective, require_metric

    is_whole = options["backbone_in_checkpoint"] or finetuning.full_finetuning or finetuning.lora_merge
    checkpoint = open_folder(arguments, backbone.backbone, is_whole)
    train_examples, evaluations, labels, columns = training_examples(data, arguments.seed)
    require_effective(arguments, finetuning.trains_backbone, labels.problem_type)
    require_metric(arguments, ["loss", *metric_names(labels)])
    task = find_task(data.task) if data.task is not None else None
    max_length = max_length_of(data)
    is_pair = "text_pair" in train_examples.column_names
    if options["pair_mode"] is not None and not is_pair:
        raise InputError(
            f"--pair_mode {options['pair_mode']} compares two texts, but a row has one: leave it out, or name the "
            "second with --text_pair_column"
        )
    if options["pair_mode"] is None and is_pair:
        options["pair_mode"] = PAIR_MODE if task is None or chosen.head else task.pair_mode
    if is_pair and not chosen.head:
        print(f"pair mode: {options['pair_mode']} (--pair_mode names another)")
    if options["pair_mode"] == "cosine":
        _require_cosines(labels, train_examples["labels"][:] + evaluations["eval"]["labels"][:])
    with user_errors():
        set_seed(arguments.seed)  # the head's first weights
        model, tokenizer = new_head(GlotForSequenceClassification, backbone, **options, **labels.config_options)
    max_length = set_max_length(tokenizer, max_length, model.glot.backbone, is_default=data.max_length is None)
    splits = {"train": train_examples, **evaluations}

    def states_of(layers: int | list[int], token_features: list[str] | None = None) -> dict[str, "HiddenStateCache"]:
        where = {"revision": model.config.backbone_revision, "layers": layers}
        where["token_features"] = token_features or model.config.token_features
        return cached_rows(model.glot.backbone, tokenizer, splits, cache, max_length=max_length, **where)

    if cache.cache and model.glot.backbone.device.type == "cpu":
        model.glot.backbone.to(arguments.device)  # where Trainer will want it
    plan, metric = None, metric_of(arguments.metric_for_best_model, task and task.metric, labels)
    if checkpoint is not None:
        plan = recorded_plan(checkpoint)
    elif chosen.head or chosen.layers:
        with user_errors():
            plan = choose(
                chosen,
                options,
                model.glot.backbone,
                tokenizer,
                train_examples,
                labels,
                states_of,
                metric,
                max_length,
                arguments,
            )
    if plan is not None:
        apply_plan(plan, arguments)
        set_seed(arguments.seed)
        model = head_of(plan, model, **options, **labels.config_options)
    if isinstance(chosen.threshold, float):
        model.config.decision_threshold = chosen.threshold
    network = unfreeze(model, finetuning)
    record = TrainingRecord(
        command=command,
        seed=arguments.seed,
        max_length=max_length,
        task=data.task,
        rows=hash_json(train_examples[:]),
        recipe=None if plan is None else asdict(plan),
        hardware=name_of_hardware(arguments.device),
        **columns,
    )
    if checkpoint is not None:
        require_same_run(model, checkpoint, find_head_config(network, checkpoint), record)
    count = count_parameters(model)
    is_main = arguments.process_index == 0
    print(describe_training(count, finetuning))
    print(f"{len(train_examples):,} training texts, {sum(map(len, evaluations.values())):,} for validation")

    with user_errors():  # an option that only Trainer finds wrong
        evaluations = {prefix: tokenize(examples, tokenizer, max_length) for prefix, examples in evaluations.items()}
        if cache.cache:
            rows = states_of(model.config.backbone_layers)
            print(f"{describe(rows['train'])} (--no_cache goes without)")
        else:
            rows = {"train": tokenize(train_examples, tokenizer, max_length), **evaluations}
        trainer = make_trainer(network, tokenizer, arguments, rows["train"], rows["eval"])
    trainer.record = record
    with resumable(arguments, checkpoint):
        if chosen.fits and is_linear(model.config) and not finetuning.trains_backbone:
            # The recipe chose by the loss on held-out rows; its threshold sees to the metric.
            named = "loss" if chosen.head else arguments.metric_for_best_model or (task.metric if task else "loss")
            results = _fit(trainer, named.removeprefix("eval_"), command)
        else:
            results = trainer.train(resume_from_checkpoint=checkpoint).metrics
    is_rounded = cache.cache and rows["eval"].dtype != model.glot.backbone.dtype
    if is_rounded:  # a head is judged by what it will answer to texts
        live = trainer.predict(evaluations["eval"], metric_key_prefix="eval")
        results |= live.metrics
    else:
        results |= last_evaluation(trainer)
    if not math.isfinite(results["eval_loss"]):
        raise InputError(
            f"the loss is {results['eval_loss']} after training at --learning_rate {arguments.learning_rate}: no head "
            "was saved; train with a smaller one, or with the backbone in bfloat16 or float32 if it is in float16"
        )
    for prefix, examples in evaluations.items():
        if prefix != "eval":
            results |= trainer.evaluate(examples if is_rounded else rows[prefix], metric_key_prefix=prefix)
    if is_rounded:
        cached = trainer.predict(rows["eval"], metric_key_prefix="eval")
        results |= cache_disagreement(live, cached, labels.problem_type, model.config.decision_threshold)
    answers = live if is_rounded else trainer.predict(rows["eval"])
    report = report_answers(
        answers.predictions,
        answers.label_ids,
        labels,
        metric,
        splits["eval"],
        model.config.decision_threshold,
        positions_of_held_out(data, len(train_examples) + len(splits["eval"]), arguments.seed),
    )
    report["training_rows"] = count_classes(train_examples["labels"][:], labels)
    report["curve"] = curve_of(trainer.state.log_history)
    report["advice"] = advice_on(report["curve"], bool(plan and plan.training_options))
    if cache.cache and not is_linear(model.config):
        report["baseline"] = linear_baseline(
            model.glot.backbone,
            rows["train"],
            rows["eval"],
            model.config.backbone_layers,
            labels,
            metric,
            is_pair,
            model.config.token_features,
        )
    results |= {
        "head_parameters": count.head,
        "backbone_parameters": count.backbone_trained + count.backbone_frozen,
        "backbone_trained_parameters": count.backbone_trained,
    }
    if is_main:
        # Not trainer.save_model, which would add training_args.bin, no safe format.
        # What it trained inside a PeftModel may be merged now, and is pushed so.
        with replaced_head(arguments.output_dir) as folder:
            trainer.model = save_trained(network, finetuning, folder, arguments.output_dir)
            save_results(trainer, results, folder)
            write_report(report, Path(folder))
        print_report(report, Path(arguments.output_dir))
        if "cache_eval_loss" in results:
            _say_disagreement(results, len(rows["eval"]), cache.cache_dtype)
        if task is not None:
            metrics = [f"{prefix}_{task.metric}" for prefix in evaluations]
            scores = [f"{name} {results[name]:.4f}" if name in results else f"no {name}" for name in metrics]
            print(f"\n{task.name}: {', '.join(scores)}")
        _say_how_to_load(arguments.output_dir, is_pair)
    if arguments.push_to_hub:
        push_folder(trainer)
    return results


def _fit(trainer: Any, metric: str, command: list[str]) -> dict[str, Any]:
    """
    Fit a head that is one linear layer on fixed vectors, without steps and epochs.

    Args:
        metric (`str`): what the penalty is chosen by.
    """
    from ..training.linear_fit import fit_linear_layer
    from ..training.trainer import DeadHeadCallback
    from .training_options import warn_of_steps

    warn_of_steps(typed_options(command))
    trainer.remove_callback(DeadHeadCallback)  # which advises to train longer
    found = fit_linear_layer(trainer.model, trainer.train_dataset, trainer.data_collator, metric)
    chosen = (
        f"chosen by {metric} in {found.num_folds}-fold cross-validation"
        if found.num_folds
        else "as there are too few rows"
    )
    print(
        f"the pooling has no parameters, so the linear layer was fitted to convergence in {found.seconds:.1f} s "
        f"(scikit-learn, standardised inputs, {found}, {chosen})"
    )
    return {"train_runtime": found.seconds, f"train_{found.penalty}": found.value}


def _require_embedding_options(options: dict[str, Any], finetuning: FinetuningArguments) -> None:
    if options["pair_mode"] is not None:
        raise InputError("--pair_mode is for heads that compare two texts: --task embedding gives a vector of each")
    if finetuning.trains_backbone:
        raise InputError("--task embedding trains a head on a frozen backbone: leave out what is to train it")


def _require_cosines(labels: Any, scores: list[float]) -> None:
    if labels.problem_type != "regression":
        raise InputError(f"--pair_mode cosine needs scores, but the labels are classes: {', '.join(labels.names)}")
    if not -1 <= min(scores) <= max(scores) <= 1:
        raise InputError(
            f"--pair_mode cosine needs scores in [-1, 1], but they go from {min(scores)} to {max(scores)}: divide "
            "them by the largest"
        )


def _say_disagreement(results: dict[str, float], count: int, dtype: str) -> None:
    if "cache_changed_labels" in results:
        changed = f"another label to {results['cache_changed_labels']:,} of {count:,} validation texts"
    else:
        changed = f"scores that differ by up to {results['cache_largest_change']:.2g}"
    names = ("matthews_correlation", "f1_micro", "spearman", "accuracy", "mse")
    metrics = [
        f"{name} {results[f'cache_eval_{name}']:.4f}, live {results[f'eval_{name}']:.4f}"
        for name in names
        if f"eval_{name}" in results and f"cache_eval_{name}" in results
    ]
    print(f"\nThe cache, in {dtype}, gives {changed}: {'; '.join(metrics)}")


def _say_how_to_load(folder: str, is_pair: bool) -> None:
    from ..training.folder import size_of_head

    pair = ' --text_pair "..."' if is_pair else ""
    print(
        f"\nWhat was trained is in {folder} ({size_of_head(folder)}). In Python:\n\n"
        "    import glot_hf\n"
        "    from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\n"
        f"    model = AutoModelForSequenceClassification.from_pretrained({folder!r})\n"
        f"    tokenizer = AutoTokenizer.from_pretrained({folder!r})\n\n"
        f'Or on the command line: glot-hf predict {shlex.quote(folder)} --text "..."{pair}'
    )
