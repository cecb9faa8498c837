# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""MTEB by its own API: tasks by name, a task from a local folder, and scores that are kept as MTEB keeps them."""

import os
import sys
import warnings
from typing import Any

import mteb
import torch
from datasets import DatasetDict
from mteb.abstasks import AbsTask, AbsTaskSTS
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models import SentenceTransformerEncoderWrapper
from sentence_transformers import SentenceTransformer

from ..data.tasks import find_task
from ..states.key import digest, hash_config, hash_json, hash_tokenizer, hash_weights
from ..system.errors import InputError
from ..system.markdown import format_table


# That the paper reports.
PAPER_TASKS = (
    "EmotionClassification",
    "SciFact",
    "RedditClustering",
    "AskUbuntuDupQuestions",
    "STS12",
    "TwitterSemEval2015",
    "SummEval",
)


def find_tasks(names: list[str]) -> list[AbsTask]:
    """
    Return MTEB's tasks of these names; "paper" stands for the paper's seven.

    Raises:
        InputError: there is no such task; names one that is written alike.
    """
    names = [task for name in names for task in (PAPER_TASKS if name == "paper" else (name,))]
    try:
        return [mteb.get_task(name) for name in dict.fromkeys(names)]
    except KeyError as error:
        reason = str(error.args[0]).removeprefix("KeyError: ")
        raise InputError(f"MTEB has no such task: {reason} 'paper' stands for the paper's seven") from error


class LocalSTS(AbsTaskSTS):
    """
    The pairs of GLUE's STS-B that have public scores, dev.tsv, from its own folder and without a network.

    Args:
        data_dir (`str`): the folder of STS-B itself.

    Raises:
        InputError: the folder has no dev.tsv, or a malformed one.
    """

    min_score, max_score = 0, 1

    def __init__(self, data_dir: str):
        examples = find_task("stsb").examples("validation", data_dir)
        examples = examples.rename_columns({"text": "sentence1", "text_pair": "sentence2", "labels": "score"})
        self.metadata = TaskMetadata(
            name="LocalSTS",
            description="STS-B (dev), as GLUE distributes it, from a local folder; scores are divided by 5.",
            reference="https://aclanthology.org/S17-2001",
            dataset={"path": "local", "revision": hash_json(examples.to_dict())},
            type="STS",
            category="t2t",
            modalities=["text"],
            eval_splits=["validation"],
            eval_langs=["eng-Latn"],
            main_score="cosine_spearman",
        )
        super().__init__()
        self.dataset: Any = DatasetDict({"validation": examples})
        self.data_loaded = True

    def unload_data(self) -> None:
        """Keep the pairs: they are few, and MTEB would take the description of this task away with them."""


class _FiniteEncoder(SentenceTransformerEncoderWrapper):
    """Refuses vectors that hold NaN or infinity, which MTEB would turn into a score and keep."""

    def encode(self, *args: Any, **kwargs: Any) -> Any:
        vectors = super().encode(*args, **kwargs)
        finite = torch.as_tensor(vectors).isfinite().all(dim=-1)
        if not finite.all():
            raise InputError(
                f"{int((~finite).sum()):,} of {len(finite):,} vectors of {self.mteb_model_meta.name} are not finite: "
                'load a backbone that overflows float16 with --backbone_load_kwargs \'{"dtype": "bfloat16"}\', or '
                "check the head's weights"
            )
        return vectors


def make_encoder(model: SentenceTransformer, name: str) -> SentenceTransformerEncoderWrapper:
    """
    What MTEB evaluates. Its revision is a hash of all that decides its vectors, so that a cached score is never one of
    other weights under the same name.

    Args:
        name (`str`): "owner/name", as MTEB shows it.
    """
    with warnings.catch_warnings():
        # MTEB asks for the width by an old name, once for each model.
        warnings.filterwarnings("ignore", "The `get_sentence_embedding_dimension` method", FutureWarning)
        encoder = _FiniteEncoder(model)
    modules: Any = model
    revision = digest(
        {
            "modules": [(repr(module), module.get_config_dict()) for module in modules],
            "weights": hash_weights(model),
            "backbone_config": hash_config(modules.transformers_model.config),
            "tokenizer": hash_tokenizer(model.tokenizer),
            "max_length": model.max_seq_length,
        }
    )
    encoder.mteb_model_meta = encoder.mteb_model_meta.model_copy(update={"name": name, "revision": revision[:40]})
    return encoder


def evaluate(
    encoders: dict[str, Any],
    tasks: list[AbsTask],
    output_dir: str | os.PathLike,
    batch_size: int = 32,
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """
    Main scores by task and encoder, and the names of the tasks that cannot be downloaded. Scores in `output_dir`, an
    `mteb.ResultCache`, are read from there, if they are of the same data; the others are written to it.
    """
    cache = mteb.ResultCache(os.fspath(output_dir))
    scores: dict[str, dict[str, float]] = {}
    missing = []
    for task in tasks:
        by_encoder = {}
        for name, encoder in encoders.items():
            where = task.metadata.name, encoder.mteb_model_meta
            result: Any = cache.load_task_result(*where)
            # MTEB itself would take a score on an earlier revision of the data for this one.
            if result is None or result.dataset_revision != task.metadata.revision:
                if not _load(task):
                    missing.append(task.metadata.name)
                    break
                mteb.evaluate(
                    encoder,
                    task,
                    cache=cache,
                    overwrite_strategy="always",
                    encode_kwargs={"batch_size": batch_size},
                    co2_tracker=False,
                )
                result = cache.load_task_result(*where)  # with as many digits as the next time
            by_encoder[name] = float(result.get_score())
        else:
            scores[task.metadata.name] = by_encoder
        if task.data_loaded:  # not if all scores were there
            task.unload_data()
    return scores, missing


def score_table(scores: dict[str, dict[str, float]], tasks: list[AbsTask]) -> str:
    """Return a Markdown table of encoders by tasks: main scores in percent, the best of each task in bold."""
    rows = []
    for name in next(iter(scores.values())):
        row = [name]
        for by_encoder in scores.values():
            text = f"{100 * by_encoder[name]:.2f}"
            row.append(f"**{text}**" if by_encoder[name] == max(by_encoder.values()) else text)
        rows.append(row)
    header = [f"{task.metadata.name} ({task.metadata.main_score})" for task in tasks if task.metadata.name in scores]
    return format_table(["pooling", *header], rows)


def _load(task: AbsTask) -> bool:
    try:
        task.load_data()
    except Exception as error:  # of many kinds, all of which mean the same here
        print(f"{task.metadata.name} is left out: {error}", file=sys.stderr)
        return False
    return True
