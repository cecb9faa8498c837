# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The Trainer glue: the paper's defaults, and a stock Trainer for a head."""

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from huggingface_hub import CommitInfo
from peft import PeftModel
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Sampler, SequentialSampler
from transformers import PreTrainedTokenizerBase, ProgressCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.integrations import get_reporting_integration_callbacks
from transformers.trainer_utils import EvalLoopOutput
from transformers.utils import logging

from ..data.examples import PairCollator
from ..data.labels import ProblemType
from ..data.text_groups import GroupDataset
from ..loading.saved_head import forget_code
from ..model.decision_glot import at_threshold
from ..model.pretrained_glot import GlotPreTrainedModel
from ..states.cache import HiddenStateCache
from ..states.running import HiddenStateCollator
from ..system.errors import InputError
from .class_weights import weighted_loss
from .finetuning import save_base
from .metrics import greater_is_better, metrics_for
from .options import TrainingOptions
from .record import TrainingRecord


logger = logging.get_logger(__name__)

# Schedulers that follow a metric, by name: older versions of transformers have not all of them.
_OF_A_METRIC = ("reduce_lr_on_plateau", "greedy")


@dataclass
class GlotTrainingArguments(TrainingOptions, TrainingArguments):
    """
    `TrainingArguments` with the released learning rate (2e-4), epochs (3) and batch size (32) as defaults; the others,
    such as the linear decay, are Trainer's own.

    Raises:
        InputError: `output_dir` is missing, a number is outside what can train, or logs cannot be reported as asked.
    """

    def __post_init__(self):
        if self.output_dir is None:
            raise InputError("--output_dir is missing: name the folder that the head will be written to")
        for name in ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name} {getattr(self, name)} is not positive: give 1 or more")
        if not (0 < self.learning_rate < math.inf and 0 < self.num_train_epochs < math.inf):
            raise InputError(
                f"--learning_rate {self.learning_rate} and --num_train_epochs {self.num_train_epochs} must be positive"
            )
        if not 0 <= self.label_smoothing_factor < 1:
            raise InputError(f"--label_smoothing_factor {self.label_smoothing_factor} is not in [0, 1)")
        if self.greater_is_better is None and self.metric_for_best_model is not None:
            self.greater_is_better = greater_is_better(self.metric_for_best_model)
        if not torch.accelerator.is_available():
            self.dataloader_pin_memory = False  # on a CPU it only brings a warning
            self.use_cpu = True  # else several processes on CPUs would each train alone
        super().__post_init__()
        try:
            for callback in get_reporting_integration_callbacks(self.report_to):
                callback()  # as Trainer will, after the backbone has run
        except (ImportError, RuntimeError, ValueError) as error:
            raise InputError(f"--report_to {' '.join(self.report_to)}: {error}") from error


class ParameterCount(NamedTuple):
    head: int  # trained ones
    backbone_trained: int  # of LoRA adapters, or its own
    backbone_frozen: int


def count_parameters(model: GlotPreTrainedModel) -> ParameterCount:
    """Count the parameters of a model: how many are trained, and where."""
    backbone = model.base_model.backbone
    of_backbone = list(backbone.parameters()) if backbone is not None else []
    trained = sum(p.numel() for p in of_backbone if p.requires_grad)
    return ParameterCount(
        head=sum(p.numel() for p in model.parameters() if p.requires_grad) - trained,
        backbone_trained=trained,
        backbone_frozen=sum(p.numel() for p in of_backbone if not p.requires_grad),
    )


def find_checkpoint(arguments: GlotTrainingArguments) -> str | None:
    """
    The checkpoint folder to resume from, if that was asked for.

    Raises:
        InputError: there is none.
    """
    checkpoint = arguments.resume_from_checkpoint
    if checkpoint is None:
        return None
    if checkpoint != "last":
        if not os.path.isfile(os.path.join(checkpoint, "trainer_state.json")):
            raise InputError(
                f"there is no checkpoint folder {checkpoint!r} to resume from: check the path, or give "
                "--resume_from_checkpoint alone, which goes on from the last one in --output_dir"
            )
        return checkpoint
    checkpoint = last_checkpoint(arguments.output_dir or "")
    if checkpoint is None:
        raise InputError(
            f"there is no checkpoint to resume from in {arguments.output_dir!r}: run without --resume_from_checkpoint"
        )
    return checkpoint


def last_checkpoint(folder: str) -> str | None:
    """Return the last whole one."""
    whole = [path for path in checkpoints_in(folder) if _has_state(path)]
    return str(whole[-1]) if whole else None


def _has_state(checkpoint: Path) -> bool:
    """Return whether the state of a training can be read, which is written last: else the writing was cut off."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def checkpoints_in(folder: str | os.PathLike) -> list[Path]:
    """Return the checkpoints in the order of their steps, whole or not."""
    paths = [path for path in Path(folder).glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted(paths, key=lambda path: int(path.name.removeprefix("checkpoint-")))


class DeadHeadCallback(TrainerCallback):
    """Warn when a head gives every text of an evaluation the same answer: it has died, or has not begun to learn."""

    def on_evaluate(self, args, state, control, metrics, **kwargs):
        if metrics.get("eval_distinct_predictions") == 1:
            logger.warning(
                "The head gives every text of the evaluation the same answer. If this lasts, it has died, or not "
                'begun to learn: train with another learning_rate, longer, or with input_norm="standard"'
            )

    on_predict = on_evaluate


@contextmanager
def keep_weights(model: nn.Module) -> Iterator[None]:
    """Put the weights back as they were: for an evaluation in half precision, Trainer casts them in place."""
    weights = [(parameter, parameter.data) for parameter in model.parameters()]
    buffers = [(part, name, buffer) for part in model.modules() for name, buffer in part.named_buffers(recurse=False)]
    try:
        yield
    finally:
        for parameter, data in weights:
            parameter.data = data
        for part, name, buffer in buffers:
            part._buffers[name] = buffer


class HeadTrainer(Trainer):
    """
    A stock Trainer, whose rows may also be those of a [`~glot_hf.data.HiddenStateCache`], which evaluates all rows
    whatever `dataloader_drop_last` is, and which publishes a head without what lies beside it.

    Attributes:
        record ([`TrainingRecord`], *optional*): of the run; every checkpoint then has it, and adapters their base.
    """

    model: Any  # a GLOT model, or a PeftModel around one
    processing_class: Any  # the tokenizer
    record: TrainingRecord | None = None

    if TYPE_CHECKING:  # rows of any kind; labels and predictions are an array each

        def predict(self, test_dataset: Any, *args: Any, **kwargs: Any) -> Any: ...

    def create_accelerator_and_postprocess(self) -> None:
        if self.args.ddp_find_unused_parameters is None:  # a step uses all of a head, but not of every backbone
            self.args.ddp_find_unused_parameters = any(
                parameter.requires_grad and "backbone." in name for name, parameter in self.model.named_parameters()
            )
        super().create_accelerator_and_postprocess()

    def create_scheduler(self, *args, **kwargs) -> LRScheduler:
        if self.args.lr_scheduler_type in _OF_A_METRIC:
            mode = "max" if self.args.greater_is_better else "min"  # torch takes less for better, whatever the metric
            given: Any = self.args.lr_scheduler_kwargs or {}
            self.args.lr_scheduler_kwargs = {"mode": mode} | given
        return super().create_scheduler(*args, **kwargs)

    def _run_epoch(self, *args, **kwargs) -> None:
        if self.state.global_step >= self.state.max_steps:  # a run that is resumed after its last step makes no more
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*args, **kwargs)

    def evaluate(self, *args, **kwargs) -> dict[str, float]:
        """
        The same as of any Trainer, but a metric that chooses the best head and is undefined at this evaluation (such
        as a correlation where all scores are equal) is NaN while training: it is better than none.
        """
        metrics = super().evaluate(*args, **kwargs)
        name = f"eval_{(self.args.metric_for_best_model or '').removeprefix('eval_')}"
        if self.is_in_train and name in ("eval_pearson", "eval_spearman") and name not in metrics:
            logger.warning(f"{name} is undefined, as all scores of this evaluation are equal: it finds no best head")
            metrics[name] = math.nan
        return metrics

    def evaluation_loop(self, *args, **kwargs) -> EvalLoopOutput:
        is_cast = (self.args.bf16_full_eval or self.args.fp16_full_eval) and not self.is_in_train
        with keep_weights(self.model) if is_cast else nullcontext():
            return super().evaluation_loop(*args, **kwargs)

    def _get_dataloader(self, *args, is_training: bool = False, **kwargs) -> DataLoader:
        drop_last = self.args.dataloader_drop_last
        self.args.dataloader_drop_last = drop_last and is_training  # every row of an evaluation counts
        try:
            return super()._get_dataloader(*args, is_training=is_training, **kwargs)
        finally:
            self.args.dataloader_drop_last = drop_last

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler | None:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        if isinstance(dataset, (HiddenStateCache, GroupDataset)):
            # Strategies that group by length measure what each row has under this name.
            dataset = [{self.processing_class.model_input_names[0]: range(length)} for length in dataset.lengths]
        return super()._get_train_sampler(dataset)

    def _get_eval_sampler(self, eval_dataset: Any) -> Sampler | None:
        # group_by_length would shuffle them, but predictions are read and compared by their row.
        return SequentialSampler(eval_dataset) if self.args.world_size == 1 else None

    def _save(self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None) -> None:
        record = self.record if self.args.should_save else None
        folder = output_dir or self.args.output_dir or ""
        if record is not None and isinstance(self.model, PeftModel):
            save_base(self.model, folder)
        super()._save(output_dir, state_dict)
        if record is not None:
            record.save(folder)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the model with its code, except that a checkpoint, which Trainer itself asks for, has none."""
        super().save_model(output_dir, _internal_call)
        if _internal_call and output_dir is not None and self.args.should_save:
            forget_code(output_dir)

    def push_to_hub(
        self,
        commit_message: str = "End of training",
        blocking: bool = True,
        token: str | None = None,
        revision: str | None = None,
        private: bool | None = None,
        **options,
    ) -> CommitInfo | None:
        """
        Publish the head by [`~GlotPreTrainedModel.push_to_hub`], which takes the `options`, and not the output_dir
        with all that a stock Trainer uploads. Processes but the first do nothing, and get None.

        Raises:
            ValueError: the model is inside a `PeftModel`; and as `GlotPreTrainedModel.push_to_hub`.
        """
        if isinstance(self.model, PeftModel):
            raise ValueError(
                "LoRA adapters are published merged: make a model of this PeftModel by merge_and_unload(), set its "
                "config.backbone_in_checkpoint = True and call its push_to_hub"
            )
        if self.hub_model_id is None:
            self.init_hf_repo(token=token, private=private)
        if not self.is_world_process_zero():
            return None
        return self.model.push_to_hub(
            self.hub_model_id,
            tokenizer=self.processing_class,
            private=self.args.hub_private_repo if private is None else private,
            token=token or self.args.hub_token,
            revision=revision or self.args.hub_revision,
            commit_message=commit_message,
            **options,
        )

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        pass  # a head is published when it is trained


class QuietProgress(ProgressCallback):
    """A progress bar that the losses of the steps, which are logged for the report's curve, do not interrupt."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs is None or "loss" not in logs:
            super().on_log(args, state, control, logs=logs, **kwargs)


class ClassifierTrainer(HeadTrainer):
    """Train a [`GlotForSequenceClassification`]."""

    def evaluation_loop(self, *args, **kwargs) -> EvalLoopOutput:
        output: Any = super().evaluation_loop(*args, **kwargs)
        prefix = kwargs.get("metric_key_prefix", "eval")
        has_answers = output.predictions is not None and output.label_ids is not None
        if self.args.world_size > 1 and has_answers and self.compute_loss_func is None:
            # The batches of several processes are filled up with rows of the beginning, which are left out of the
            # predictions, but not of Trainer's mean of the losses.
            answers = [torch.from_numpy(each) for each in (output.predictions, output.label_ids)]
            output.metrics[f"{prefix}_loss"] = self.model.compute_loss(*answers).item()
        return output


class HeadCollator:
    """Make a batch of rows of tokens or of rows of hidden states, whichever they are."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self._of_tokens, self._of_states = PairCollator(tokenizer), HiddenStateCollator()

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        return self._of_states(rows) if "hidden_states" in rows[0] else self._of_tokens(rows)


def make_trainer(
    model: Any,  # a GlotForSequenceClassification, or a PeftModel around one
    tokenizer: PreTrainedTokenizerBase,
    arguments: TrainingArguments,
    train: Any = None,
    validation: Any = None,
    weights: Sequence[float] | None = None,
) -> ClassifierTrainer:
    """
    Return a Trainer that says when a head dies. Anything of it can be changed as usual.

    Args:
        train, validation (`Dataset` or `HiddenStateCache`, *optional*): as [`~glot_hf.data.examples.tokenize`] makes
            them, or hidden states.
        weights (`list[float]`, *optional*): what a row of each class counts in the loss; default: the same.
    """
    return ClassifierTrainer(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        data_collator=HeadCollator(tokenizer),
        compute_metrics=metrics_for(model.config.problem_type, model.config.decision_threshold),
        compute_loss_func=None if weights is None else weighted_loss(weights),
        callbacks=[DeadHeadCallback()],
    )


def last_evaluation(trainer: Trainer) -> dict[str, float]:
    """Return the metrics of the model as it is now: those of the last epoch, unless that was not evaluated."""
    last = next((entry for entry in reversed(trainer.state.log_history) if "eval_loss" in entry), None)
    if last is None or last["step"] != trainer.state.global_step or trainer.args.load_best_model_at_end:
        return trainer.evaluate()
    return {name: value for name, value in last.items() if name != "step"}


def cache_disagreement(
    live: Any, cached: Any, problem_type: ProblemType, threshold: float | None = None
) -> dict[str, float]:
    """
    What a cache that rounds does to the answers: one head's, on live text and on the cached states of the same texts.

    Returns:
        `dict`: `cache_eval_*`, the metrics on the cache; and of classes `cache_changed_labels`, how many texts get
        another answer, of regression `cache_largest_change`, the largest difference of two scores.
    """
    results: dict[str, Any] = {
        f"cache_{name}": value for name, value in cached.metrics.items() if "_per_second" not in name
    }
    if problem_type == "regression":
        return results | {"cache_largest_change": float(np.abs(live.predictions - cached.predictions).max())}
    if problem_type == "multi_label_classification":
        changed = ((live.predictions > 0) != (cached.predictions > 0)).any(axis=-1)
    else:
        answers = [at_threshold(each.predictions, threshold).argmax(axis=-1) for each in (live, cached)]
        changed = answers[0] != answers[1]
    results["cache_changed_labels"] = int(changed.sum())
    return results
