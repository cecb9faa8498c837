# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Command line options, from dataclasses: one option a field, by its name."""

import dataclasses
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from ..model.options_glot import ALIASES, HeadOptions
from ..states.tokens_per_batch import TOKENS_PER_BATCH
from ..system.errors import InputError, require_distinct, require_positive
from ..system.options import option


# Not read from data.tasks, which needs the extra `train`: the options are there before that is asked for.
TASK_NAMES = "cola, sst2, stsb, mrpc, qqp, mnli, qnli, rte, wnli or imdb"
# No task of the paper's tables: its rows are the user's own pairs, and no label is learned.
EMBEDDING = "embedding"
AUTO = "auto"  # the layer that a probe finds


@dataclass
class BackboneName:
    backbone: str | None = option(None, "Repository or folder of the frozen backbone.")
    backbone_revision: str | None = option(None, "Its branch, tag or commit.")


@dataclass
class TrustArguments:
    trust_remote_code: bool = option(
        False, "Run the code that backbone and tokenizer bring, which you trust; asked for each time."
    )

    @property
    def trust(self) -> dict[str, bool]:
        """What the backbone and the tokenizer are loaded with, and nothing else; it is never recorded."""
        return {"trust_remote_code": True} if self.trust_remote_code else {}


@dataclass
class BackboneArguments(TrustArguments, BackboneName):
    """A backbone to load."""

    def source(self, load_kwargs: dict[str, Any] | None = None) -> tuple[Any, str | None, dict[str, Any]]:
        """
        Return its name, its revision, and the options that it is loaded with.

        Raises:
            InputError: there is no `--backbone`.
        """
        require_backbone(self)
        return self.backbone, self.backbone_revision, (load_kwargs or {}) | self.trust


def require_backbone(arguments: BackboneName) -> None:
    """
    Raises:
        InputError: there is no `--backbone`.
    """
    if arguments.backbone is None:
        raise InputError("--backbone is missing: name a repository or a folder, such as bert-base-uncased")


@dataclass
class DataArguments:
    """Which labelled texts: `--train_file` and its companions, or `--task`."""

    train_file: str | None = option(None, "CSV, TSV, JSON lines, Parquet or .xlsx file, or the name of a dataset.")
    validation_file: str | None = option(None, "The same for evaluation; default: a tenth of train_file is held out.")
    text_column: str | None = option(None, "Column of the text; guessed by default.")
    text_template: str | None = option(
        None, 'Make a text of several columns, in the place of a text column: "{title}. {body}".'
    )
    text_pair_column: str | None = option(None, "Column of the second text of a pair.")
    label_column: str | None = option(None, "Column of the label; guessed by default.")
    label_columns: list[str] | None = option(
        None, "Columns of a 0 or 1 for each class, instead of one label column; several may apply."
    )
    problem_type: Literal["single_label_classification", "multi_label_classification", "regression"] | None = option(
        None, "What the labels are; found from them by default."
    )
    task: str | None = option(
        None,
        f"A task by name, instead of a file: {TASK_NAMES}. Or {EMBEDDING}: vectors, by contrast, of the "
        "pairs in --train_file (query, pos and, where there are, neg; or two columns that are named).",
    )
    data_dir: str | None = option(None, "The task's own folder, such as GLUE's MRPC or aclImdb; default: the hub's.")
    max_train_rows: int | None = option(
        None, "Train on the first rows of a --task; default: 20000 of qqp, mnli and qnli, else all."
    )
    max_length: int | None = option(None, "Longer texts are cut at this many tokens; default: 512 for imdb, else 128.")


@dataclass
class LabelledTextArguments:
    """Which labelled texts: `--validation_file`, or `--task`; default: the task that the head was trained on."""

    validation_file: str | None = option(
        None, "CSV, TSV, JSON lines, Parquet or .xlsx file, or the name of a dataset."
    )
    text_column: str | None = option(None, "Column of the text; default: as in training, or guessed.")
    text_template: str | None = option(
        None, 'A text of several columns, such as "{title}. {body}"; default: as in training.'
    )
    text_pair_column: str | None = option(None, "Column of the second text of a pair.")
    label_column: str | None = option(None, "Column of the label; default: as in training, or guessed.")
    label_columns: list[str] | None = option(None, "Columns of a 0 or 1 for each class, as in training by default.")
    task: str | None = option(None, f"A task by name, instead of a file: {TASK_NAMES}.")
    data_dir: str | None = option(None, "The task's own folder, such as GLUE's MRPC or aclImdb; default: the hub's.")


@dataclass
class RecipeArguments:
    """Who chooses the head and how it trains."""

    recipe: Literal["default", "paper"] = option(
        "default",
        "default: choose layer, head and length of training on held-out training rows, where no option of the head or "
        "of its training is typed; paper: train GLOT as the paper does.",
    )
    threshold: str = option(
        "auto",
        "Probability of the second of two classes from which on it is the answer: auto chooses it on held-out rows "
        "with the default recipe; a number; none for the more probable class.",
    )
    class_weight: str | None = option(
        None,
        "What a row of each class counts in training: balanced, so that every class counts the same, or JSON by the "
        "names of classes, such as '{\"spam\": 5}'.",
    )

    @property
    def fixed_threshold(self) -> float | Literal["auto"] | None:
        """
        The threshold as a number; "auto"; or None for none.

        Raises:
            InputError: it is neither.
        """
        if self.threshold in ("auto", "none"):
            return "auto" if self.threshold == "auto" else None
        try:
            value = float(self.threshold)
        except ValueError:
            value = math.nan
        if not 0 < value < 1:
            raise InputError(
                f"--threshold {self.threshold} is not a probability: give auto, none or a number such as 0.3"
            )
        return value


@dataclass
class TuneArguments:
    """How long to search, and what for."""

    minutes: float | None = option(None, "Try heads for so many minutes.")
    trials: int | None = option(None, "Try so many heads, beside the linear ones.")
    threshold: str = option("auto", "The same as in glot-hf train.")
    class_weight: str | None = option(None, "The same as in glot-hf train.")
    token_features: list[str] | None = option(
        None, "Also try heads that read these, such as surprisal; the time to compute them counts."
    )


@dataclass
class ContrastiveArguments:
    """Options of `--task embedding` alone."""

    negative_column: str | None = option(None, "Column of the hard negatives, where there are; guessed by default.")
    num_negatives: int = option(1, "How many hard negatives of a row are used, the first ones.")
    temperature: float = option(0.07, "Similarities are divided by it in the contrastive loss.")
    similarity: Literal["cosine", "dot"] = option(
        "cosine", "In the contrastive loss; dot is what the released code trains with."
    )
    matryoshka_sizes: list[int] | None = option(
        None, "Also train the first so many dimensions of the vector, such as 64 128; needs a projection."
    )

    @property
    def loss_options(self) -> dict[str, Any]:
        """The keywords of [`~glot_hf.training.contrastive.ContrastiveLoss`]."""
        sizes = tuple(self.matryoshka_sizes or ())
        return {"temperature": self.temperature, "similarity": self.similarity, "matryoshka_sizes": sizes}

    def require_possible(self, head: dict[str, Any]) -> None:
        """
        Args:
            head (`dict`): of [`GlotConfig`].

        Raises:
            InputError: a value cannot train, or does not fit the head.
        """
        if self.num_negatives < 0:
            raise InputError(f"--num_negatives {self.num_negatives} is negative: give 0 or more")
        if not 0 < self.temperature < math.inf:
            raise InputError(f"--temperature {self.temperature} is not positive: 0.07 is the paper's")
        if self.matryoshka_sizes is None:
            return
        require_distinct(self.matryoshka_sizes, "--matryoshka_sizes")
        width = head.get("projection_size")
        if width is None:
            raise InputError(
                "--matryoshka_sizes puts what matters most first, which needs a learned map: add --projection_size"
            )
        for size in self.matryoshka_sizes:
            if not 0 < size < width:
                raise InputError(
                    f"--matryoshka_sizes {size} is not between 1 and {width - 1}, which is below --projection_size"
                )


@dataclass
class CacheArguments:
    """The hidden states of the frozen backbone, which are kept on the disk."""

    cache_dir: str | None = option(
        None, "Folder of all caches of hidden states; default: glot_hf/hidden_states in HF_HOME."
    )
    cache_dtype: Literal["auto", "float32", "float16", "bfloat16"] = option(
        "auto", "The dtype of the stored hidden states; auto: the backbone's own, which loses nothing."
    )
    tokens_per_batch: int = option(
        TOKENS_PER_BATCH, "Tokens, with padding, that the backbone is given at once to fill the cache."
    )

    @property
    def options(self) -> dict[str, Any]:
        """The options of [`~glot_hf.data.HiddenStateCache.build`]."""
        dtype = None if self.cache_dtype == "auto" else self.cache_dtype
        return {"root": self.cache_dir, "dtype": dtype, "tokens_per_batch": self.tokens_per_batch}


@dataclass
class TrainingCacheArguments(CacheArguments):
    cache: bool = option(
        True,
        "Keep the hidden states on the disk, so that the backbone runs once over each text.",
        off="Keep no hidden states: the backbone runs over every text in every epoch.",
    )

    def require_possible(self, typed: set[str]) -> None:
        """
        Args:
            typed (`set[str]`): as from [`typed_options`].

        Raises:
            InputError: there is no cache, but an option of it.
        """
        for about_cache in dataclasses.fields(CacheArguments):
            if not self.cache and about_cache.name in typed:
                raise InputError(
                    f"--{about_cache.name} is about the cache, and --no_cache goes without: leave one of them out"
                )


@dataclass
class FinetuningArguments:
    """What of the backbone trains beside the head: nothing by default."""

    full_finetuning: bool = option(
        False,
        "Train all of the backbone too; it is saved with the head. Give a --learning_rate of a tenth of "
        "the default or less, such as 2e-5: what suits a new head ruins trained weights.",
    )
    lora_r: int | None = option(None, "Train LoRA adapters of this rank on the backbone, beside the head.")
    lora_alpha: int | None = option(
        None, "Adapters are scaled by lora_alpha / lora_r; default: 2 * lora_r, which suits any rank."
    )
    lora_dropout: float | None = option(None, "Dropout before the adapters; default: 0.")
    lora_target_modules: list[str] | None = option(
        None, "Names of the layers that get adapters, such as query value; default: all linear ones."
    )
    lora_merge: bool = option(False, "Save one whole model, adapters merged into its backbone, instead of adapters.")

    @property
    def trains_backbone(self) -> bool:
        return self.full_finetuning or self.lora_r is not None

    def require_possible(self, head: dict[str, Any], typed: set[str]) -> None:
        """
        Args:
            head (`dict`): as from [`head_options`].
            typed (`set[str]`): as from [`typed_options`].

        Raises:
            InputError: a value cannot train, or options exclude each other.
        """
        if self.full_finetuning and self.lora_r is not None:
            raise InputError("--full_finetuning trains all of the backbone and --lora_r adapters on it: give one")
        for name in ("lora_alpha", "lora_dropout", "lora_target_modules", "lora_merge"):
            if self.lora_r is None and getattr(self, name) not in (None, False):
                raise InputError(f"--{name} is about LoRA adapters: ask for them with --lora_r, such as --lora_r 16")
        for name in ("lora_r", "lora_alpha"):
            if getattr(self, name) is not None:
                require_positive(getattr(self, name), f"--{name}")
        if not 0 <= (self.lora_dropout or 0) < 1:
            raise InputError(f"--lora_dropout {self.lora_dropout} is not a probability: give 0 or more, below 1")
        for name in ("cache", "cache_dir", "cache_dtype", "tokens_per_batch"):
            if self.trains_backbone and name in typed:
                raise InputError(
                    f"--{name} is about hidden states that stay the same, but --full_finetuning and --lora_r change "
                    "them in every step: leave it out"
                )
        if self.lora_r is not None and head["backbone_in_checkpoint"] and not self.lora_merge:
            raise InputError("--lora_r saves adapters without a backbone: for one whole model, add --lora_merge")
        if "quantization_config" in (head["backbone_load_kwargs"] or {}):
            for name in ("full_finetuning", "lora_merge"):
                if getattr(self, name):
                    raise InputError(f"--{name} needs a backbone that is not quantized: give --lora_r alone")


# Configuration fields that have flags of their own, or that no flag could hold.
_NOT_FLAGS = ("backbone_name_or_path", "backbone_revision", "decision_threshold")


# Fields whose type argparse does not know: what to parse instead.
class LayerName(int):
    """A layer by its number, or "auto"."""

    def __new__(cls, text: str) -> Any:
        return text if text == AUTO else super().__new__(cls, text)


_FLAG_TYPES = {
    "similarity_threshold": float,
    "dropout": float,
    "backbone_layers": list[LayerName],
    "readout": list[str],
    "token_features": list[str],
    "backbone_load_kwargs": str,
}
_ONE_OR_SEVERAL = ("backbone_layers", "readout")  # a list of one is that one


def _head_flags() -> Iterator[tuple[str, Any, Any]]:
    for each in dataclasses.fields(HeadOptions):
        if each.name in _NOT_FLAGS:
            continue
        aliases = [f"--{alias}" for alias, name in ALIASES.items() if name == each.name]
        metadata = {"help": each.metadata["help"].replace("%", "%%"), "aliases": aliases}
        default: dict[str, Any] = {"default": each.default}
        if each.name in _ONE_OR_SEVERAL:
            default = {"default_factory": lambda value=each.default: [value]}
        yield each.name, _FLAG_TYPES.get(each.name, each.type), field(metadata=metadata, **default)


HeadArguments = dataclasses.make_dataclass("HeadArguments", list(_head_flags()))
HeadArguments.__doc__ = "Every option of [`GlotConfig`], by its name."
# Of heads that are compared: each has its own pooling, and none is saved.
SharedHeadArguments = dataclasses.make_dataclass(
    "SharedHeadArguments",
    [flag for flag in _head_flags() if flag[0] not in ("pooling", "input_size", "backbone_in_checkpoint")],
)
SharedHeadArguments.__doc__ = "Options of all heads of a comparison."
LayerArguments = dataclasses.make_dataclass(
    "LayerArguments",
    [flag for flag in _head_flags() if flag[0] in ("backbone_layers", "backbone_load_kwargs", "token_features")],
)
LayerArguments.__doc__ = "Options of a head that decide what the hidden states are."


def head_options(arguments: Any) -> dict[str, Any]:
    """
    Return `HeadArguments` as keywords of [`GlotConfig`].

    Raises:
        InputError: `--backbone_load_kwargs` is not JSON.
        StrictDataclassError: a value is outside what its option allows.
    """
    options = dataclasses.asdict(arguments)
    for name in _ONE_OR_SEVERAL:
        if len(options.get(name, ())) == 1:
            (options[name],) = options[name]
    options["backbone_load_kwargs"] = parse_load_kwargs(options["backbone_load_kwargs"])
    from ..model.configuration_glot import GlotConfig

    GlotConfig(**{name: value for name, value in options.items() if name != "backbone_in_checkpoint"})
    return options


def given_head_options(arguments: Any, argv: list[str]) -> dict[str, Any]:
    """Return those of [`head_options`] that were typed."""
    typed = {ALIASES.get(name, name) for name in typed_options(argv)}
    return {name: value for name, value in head_options(arguments).items() if name in typed}


def typed_options(argv: list[str]) -> set[str]:
    """Return the names of the options in a command line, in which HfArgumentParser takes dashes for underscores."""
    return {part.split("=")[0].removeprefix("--").replace("-", "_") for part in argv if part.startswith("--")}


def parse_load_kwargs(text: str | None) -> dict[str, Any] | None:
    """
    Raises:
        InputError: `--backbone_load_kwargs` is no JSON object.
    """
    try:
        options = None if text is None else json.loads(text)
        if not isinstance(options, dict | None):
            raise ValueError("no options by their names")
    except ValueError as error:
        raise InputError(
            f'--backbone_load_kwargs {text!r} is not JSON ({error}): write it as \'{{"dtype": "bfloat16"}}\''
        ) from error
    return options


def require_budgets(rates: list[float], steps: list[int]) -> None:
    """
    Raises:
        InputError: a learning rate or a number of steps cannot train, or is given twice.
    """
    require_distinct(rates, "--learning_rates")
    require_distinct(steps, "--steps")
    for rate in rates:
        if not 0 < rate < math.inf:
            raise InputError(f"--learning_rates {rate} is not positive")
    for count in steps:
        require_positive(count, "--steps")
