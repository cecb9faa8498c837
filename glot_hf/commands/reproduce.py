# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf reproduce`: the paper's comparison of poolings, every one searched alike, over tasks and seeds."""

import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from ..options.arguments import (
    EMBEDDING,
    BackboneArguments,
    CacheArguments,
    ContrastiveArguments,
    DataArguments,
    SharedHeadArguments,
    given_head_options,
    require_backbone,
    require_budgets,
    typed_options,
)
from ..options.parser import CommandParser
from ..runs.variants import load_backbone_of, parse_variants
from ..system.errors import InputError, require_distinct, require_extra, require_positive
from ..system.options import option


TUNED_RATES, TUNED_STEPS = [2e-4, 1e-3, 5e-3], [400, 1200]
RELEASED_RATES, RELEASED_EPOCHS = [2e-4], 3
_SEED = 42  # of the rows of --train_file that are held out, as glot-hf train holds them out


@dataclass
class ReproductionArguments:
    tasks: list[str] = option(["cola"], f"Tasks by name; {EMBEDDING}: vectors by contrast, as in glot-hf train.")
    train_file: str | None = option(
        None,
        "Compare on your own labelled rows instead of tasks, with a classifier of words beside the poolings. For "
        f"{EMBEDDING}: pairs that belong together, a tenth held out to choose by.",
    )
    validation_file: str | None = option(
        None,
        "The rows that are reported; default: a tenth of --train_file is held out. For "
        f"{EMBEDDING}: pairs with scores, or pairs that belong together.",
    )
    text_column: str | None = option(None, "Column of the text in --train_file; guessed by default.")
    text_template: str | None = option(None, 'Make a text of several columns: "{title}. {body}".')
    text_pair_column: str | None = option(None, "Column of the second text of a pair.")
    label_column: str | None = option(None, "Column of the label; guessed by default.")
    problem_type: Literal["single_label_classification", "multi_label_classification", "regression"] | None = option(
        None, "What the labels are; found from them by default."
    )
    data_dir: str | None = option(None, "Folder that holds the tasks' own folders: CoLA, SST-2, STS-B, ..., aclImdb.")
    poolings: list[str] = option(
        [
            "cls",
            "last",
            "mean",
            "max",
            "adapool",
            "deepsets",
            "glot:graph_type=self",
            "glot",
        ],
        "Poolings, with options of their own as in glot:graph_type=self,input_norm=standard.",
    )
    seeds: list[int] = option([0, 1, 2], "One head each.")
    protocol: Literal["tuned", "released"] = option(
        "tuned",
        "tuned: learning rate and steps chosen on held out training rows, last step reported; linear "
        "heads fitted to convergence. released: one rate, the epoch with the best accuracy on the reported split; "
        "with --gnn_hidden_size 256, --tau 0.8 and adapool:readout_hidden_size=128 by default.",
    )
    learning_rates: list[float] | None = option(
        None, f"To choose from; default: {TUNED_RATES}, or {RELEASED_RATES} if released."
    )
    steps: list[int] | None = option(None, f"Optimizer steps to choose from, if tuned; default: {TUNED_STEPS}.")
    num_train_epochs: int | None = option(
        None, f"Epochs of every head with --protocol released; default: {RELEASED_EPOCHS}."
    )
    batch_size: int = option(32, "Training batch size.")
    max_train_rows: int | None = option(None, "At most so many training rows of a task, the first.")
    output_dir: str = option("reproduction", "Folder for every finished cell, the tables and the picture.")


def parser() -> CommandParser:
    """Return the parser of the command line."""
    return CommandParser(
        BackboneArguments,
        ReproductionArguments,
        SharedHeadArguments,
        ContrastiveArguments,
        CacheArguments,
        prog="glot-hf reproduce",
        description=__doc__,
        common=["backbone", "tasks", "data_dir", "poolings", "seeds", "output_dir", "protocol"],
        examples=[
            "glot-hf reproduce --backbone bert-base-uncased --tasks cola mrpc --data_dir glue_data --output_dir out",
            "glot-hf reproduce --backbone bert-base-uncased --train_file reviews.csv --poolings mean glot",
        ],
    )


def run(argv: list[str]) -> None:
    backbone, arguments, head, contrastive, cache = parser().parse(argv)
    require_extra("train", "datasets", "sklearn", "scipy", "matplotlib")
    require_backbone(backbone)
    for name in ("num_train_epochs", "batch_size", "max_train_rows"):
        if getattr(arguments, name) is not None:
            require_positive(getattr(arguments, name), f"--{name}")
    _complete_budgets(arguments)
    for name in ("tasks", "seeds"):
        require_distinct(getattr(arguments, name), f"--{name}")
    options = given_head_options(head, argv)
    _choose_source(arguments, typed_options(argv))
    if EMBEDDING in arguments.tasks:
        if None in (arguments.train_file, arguments.validation_file) or arguments.protocol == "released":
            raise InputError(f"the task {EMBEDDING} needs --train_file and --validation_file, and --protocol tuned")
        contrastive.require_possible(options)
    else:
        for name in (option.name for option in fields(ContrastiveArguments)):
            if name in typed_options(argv):
                raise InputError(f"--{name} belongs to the task {EMBEDDING}: add that to --tasks, or leave it out")
    if arguments.tasks == [EMBEDDING] and arguments.data_dir is not None:
        raise InputError(f"--data_dir holds tasks, but the task {EMBEDDING} reads --train_file: leave one of them out")
    reproduce(backbone, arguments, options, contrastive, cache)


def _choose_source(arguments: ReproductionArguments, typed: set[str]) -> None:
    """
    Leave the tasks out where `--train_file` names one's own rows.

    Raises:
        InputError: options of two sources, or of none.
    """
    if arguments.train_file is not None and "tasks" not in typed:
        arguments.tasks = []
        if arguments.protocol == "released":
            raise InputError("--protocol released is for tasks: leave it out, or name --tasks")
        if arguments.data_dir is not None:
            raise InputError("--data_dir holds tasks, and --train_file names your own rows: leave one of them out")
        return
    names = ("text_column", "text_template", "text_pair_column", "label_column", "problem_type")
    if EMBEDDING not in arguments.tasks:
        names = ("train_file", "validation_file", *names)
    for name in names:
        if name in typed:
            raise InputError(f"--{name} is for your own rows: name them by --train_file, and leave out --tasks")


def reproduce(
    backbone: BackboneArguments,
    arguments: ReproductionArguments,
    options: dict[str, Any],
    contrastive: ContrastiveArguments,
    cache: CacheArguments,
) -> None:
    """
    Train what is not trained yet; print a report and write it, with results.json and heat_map.png, to
    `arguments.output_dir`.

    Args:
        backbone, arguments, contrastive, cache: what was typed.
        options (`dict`): options of [`GlotConfig`], for every pooling.

    Raises:
        InputError: a task, a pooling or the backbone cannot be found or do not fit each other, a file cannot be read,
            or the folder holds results with other settings.
    """
    from ..data.tasks import find_task
    from ..experiments.cells import CellStore
    from ..experiments.comparison import TaskPanel, comparison_results
    from ..experiments.comparison_report import write_comparison_report
    from ..experiments.embedding_comparison import EmbeddingPanel
    from ..experiments.own_rows import OwnRowsPanel
    from ..experiments.panels import Shared, run_panels
    from ..experiments.released_protocol import ReleasedBudget, ReleasedTaskPanel
    from ..runs.embedding_texts import positive_groups, validation_groups
    from ..runs.hidden_states import say_if_much
    from ..runs.texts import MAX_LENGTH
    from ..training.contrastive import ContrastiveLoss
    from ..training.on_states import budgets_of

    names = [name for name in arguments.tasks if name != EMBEDDING]
    tasks = [(task := find_task(name), _folder_of(task.name, arguments.data_dir)) for name in names]
    variants = parse_variants(arguments.poolings)
    own = None if arguments.train_file is None or EMBEDDING in arguments.tasks else _own_rows(arguments)
    if any((options | own_options).get("pair_mode") == "cosine" for own_options in variants.values()):
        for task, _ in tasks:
            if task.pair_mode not in (None, "cosine"):
                raise InputError(f"--pair_mode cosine gives a score, but the labels of {task.name} are classes")
    if own is not None:
        if "pair_mode" in options and own.pair_mode is None:
            raise InputError(
                "--pair_mode compares two texts, but a row has one: name the second by --text_pair_column"
            )
        tasks.append((own, None))
    if "pair_mode" in options and (single := [task.name for task, _ in tasks if task.pair_mode is None]):
        print(f"--pair_mode is for the pairs among the tasks, not for {', '.join(single)}")
    longest = max([MAX_LENGTH, *(task.max_length for task, _ in tasks)])
    model, tokenizer, source = load_backbone_of(variants, backbone, options, longest, is_default=True)
    batch_size = {"per_device_train_batch_size": arguments.batch_size}
    completed: Any = arguments  # each protocol has filled in what it trains with
    budgets: list[Any]
    if arguments.protocol == "released":
        make_panel = ReleasedTaskPanel
        budgets = [ReleasedBudget(completed.learning_rates[0], completed.num_train_epochs)]
        training_options = batch_size | budgets[0]._asdict()
    else:
        make_panel, training_options = TaskPanel, batch_size
        budgets = budgets_of(completed.learning_rates, completed.steps)
    settings = {
        **source,
        "protocol": arguments.protocol,
        "head_options": options,
        "training_options": training_options,
        "max_train_rows": arguments.max_train_rows,
        "cache_dtype": cache.options["dtype"],
    }
    if EMBEDDING in arguments.tasks:
        settings |= {"contrastive": asdict(contrastive)}
    store = CellStore(arguments.output_dir, settings)
    cache_options = {"revision": source["backbone_revision"], **cache.options}
    shared = Shared(model, tokenizer, options, batch_size, cache_options)
    panels: list[Any] = [
        (OwnRowsPanel if task is own else make_panel)(shared, task, folder, arguments.max_train_rows)
        for task, folder in tasks
    ]
    if EMBEDDING in arguments.tasks:
        columns = DataArguments()  # guessed
        train = positive_groups(arguments.train_file or "", columns, contrastive)
        if arguments.max_train_rows is not None:
            train = train.select(range(min(len(train), arguments.max_train_rows)))
        loss = ContrastiveLoss(**contrastive.loss_options)
        validation = validation_groups(arguments.validation_file or "", columns, contrastive)
        panels.append(EmbeddingPanel(shared, train, validation, loss, MAX_LENGTH))
    found = run_panels(store, panels, variants, budgets, arguments.seeds)
    baselines = [name for name, own_options in variants.items() if own_options["pooling"] != "glot"]
    if own is not None:
        words = store.get(f"{panels[0].folder}/final-words", panels[0].fit_words)
        found[0] = {words["variant"]: [words | {"seed": seed} for seed in arguments.seeds], **found[0]}
        baselines.insert(0, words["variant"])
    results = comparison_results(panels, found)
    write_comparison_report(results, settings, arguments.seeds, baselines, Path(arguments.output_dir))
    say_if_much(cache)


def _own_rows(arguments: ReproductionArguments) -> Any:
    """Return the rows of `--train_file`, as [`~glot_hf.experiments.own_rows.OwnRows`]."""
    from ..experiments.own_rows import OwnRows, name_of
    from ..runs.choice import metric_of
    from ..runs.texts import training_texts

    names = ("train_file", "validation_file", "text_column", "text_template", "text_pair_column", "label_column")
    data = DataArguments(**{name: getattr(arguments, name) for name in names}, problem_type=arguments.problem_type)
    texts = training_texts(data, _SEED)
    is_pair = "text_pair" in texts.train.column_names
    return OwnRows(
        name=name_of(arguments.train_file or ""),
        labels=texts.labels,
        metric=metric_of(None, None, texts.labels),
        pair_mode="interaction" if is_pair else None,
        rows={"train": texts.train, "validation": texts.evaluations["eval"]},
        max_length=texts.max_length,
    )


def _complete_budgets(arguments: ReproductionArguments) -> None:
    """
    Fill in what each protocol trains with.

    Raises:
        InputError: a value cannot train, or belongs to the other protocol.
    """
    if arguments.protocol == "tuned":
        if arguments.num_train_epochs is not None:
            raise InputError(
                "--num_train_epochs belongs to --protocol released: tuned heads train for so many --steps"
            )
        arguments.learning_rates = arguments.learning_rates or TUNED_RATES
        arguments.steps = arguments.steps or TUNED_STEPS
    else:
        if arguments.steps is not None:
            raise InputError("--steps belongs to --protocol tuned: released heads train for --num_train_epochs")
        arguments.learning_rates, arguments.steps = arguments.learning_rates or RELEASED_RATES, []
        arguments.num_train_epochs = arguments.num_train_epochs or RELEASED_EPOCHS
        if len(arguments.learning_rates) > 1:
            raise InputError(f"--protocol released chooses no learning rate: give one, not {arguments.learning_rates}")
    require_budgets(arguments.learning_rates, arguments.steps)


def _folder_of(task: str, data_dir: str | None) -> str | None:
    """Return the task's own folder in one that holds several: SST-2 for sst2, aclImdb for imdb."""
    if data_dir is None:
        return None
    children = sorted(Path(data_dir).iterdir()) if Path(data_dir).is_dir() else []
    for child in children:
        if re.sub("[^a-z0-9]", "", child.name.lower()) in (task, f"acl{task}"):
            return str(child)
    raise InputError(
        f"--data_dir {data_dir!r} holds no folder of the task {task}: it should be named as GLUE names it"
    )
