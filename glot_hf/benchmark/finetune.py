# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Parameters, peak memory and time of a training step (forward, backward, AdamW): full fine-tuning, LoRA on all linear
layers, and GLOT heads on the frozen backbone: with the backbone run each step, on cached hidden states, and with the
token graph cached too. Peak memory is that of a process of its own which builds the side and its batch and makes two
steps: all tensors that live at once, of weights, gradients, optimizer, activations and batch.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from peft import get_peft_model
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, BertConfig, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from ..model.backbone_glot import build_backbone
from ..model.configuration_glot import GlotConfig, hidden_size_of
from ..model.encoding_glot import longest_input
from ..model.graph_glot import token_graph
from ..model.modeling_glot import GlotForSequenceClassification
from ..system.errors import InputError
from ..system.markdown import format_table
from ..system.options import option
from ..training.finetuning import lora_config
from .memory import PeakMemory, in_fresh_process
from .picture import draw_sides
from .report import BenchmarkArguments, Report, mebibytes, milliseconds, times
from .states import random_states
from .timing import Side, interleave, medians


FULL, LORA = "full fine-tuning", "LoRA"
LIVE, CACHED, GRAPH = "backbone run each step", "cached states", "cached states and graph"


@dataclass
class Arguments(BenchmarkArguments):
    backbone: str | None = option(None, "Repository or folder; default: BERT base (110 M) with random weights.")
    batch_size: int = option(32, "Sentences a batch.")
    length: int = option(128, "Tokens of each sentence, all valid.")
    lora_rank: int = option(64, "r of LoRA on all linear layers.")
    gnn_hidden_sizes: list[int] = option([64, 128, 256], "H of the heads.")
    num_gnn_layers: int = option(2, "K of the heads.")


class Training(NamedTuple):
    """A side that is ready to train."""

    step: Callable[[], None]
    trained_parameters: int


def side_names(arguments: Arguments) -> list[str]:
    heads = [_head_name(size, how) for how in (LIVE, CACHED, GRAPH) for size in arguments.gnn_hidden_sizes]
    return [FULL, LORA, *heads]


def run(arguments: Arguments) -> Report:
    """
    Raises:
        InputError: the backbone cannot be loaded.
    """
    device = arguments.find_device()
    config = _backbone_config(arguments)  # before the processes that load it
    with torch.device("meta"):  # without weights
        longest = longest_input(build_backbone(config)) or math.inf
    if arguments.length > longest:
        raise InputError(f"--length {arguments.length} is more than {longest} tokens, which the backbone can take")
    names = side_names(arguments)
    peaks = {}
    for name in logging.tqdm(names, desc="Peak memory"):
        peaks[name] = in_fresh_process(measure_peak, name, arguments)
    trainings = {name: build(name, arguments) for name in names}
    sides = {name: Side(training.step) for name, training in trainings.items()}
    seconds = interleave(sides, arguments.repeats, device)
    median = medians(seconds)
    parameters = {name: training.trained_parameters for name, training in trainings.items()}

    rows, results = [], {}
    for name in names:
        ratios = {
            "parameters": parameters[LORA] / parameters[name],
            "memory": peaks[LORA] / peaks[name],
            "time": median[LORA] / median[name],
        }
        results[name] = {
            "trained_parameters": parameters[name],
            "peak_bytes": peaks[name],
            "seconds": seconds[name],
            "median_seconds": median[name],
            "times_less_than_lora": ratios,
        }
        values = f"{parameters[name]:,}", mebibytes(peaks[name]), milliseconds(median[name])
        pairs = zip(values, ratios.values())
        rows.append([name, *(cell for value, ratio in pairs for cell in (value, times(ratio)))])
    less = "LoRA's is"
    header = ["side", "trained parameters", less, "peak memory, MiB", less, "ms a step", less]
    text = (
        f"A training step on {arguments.backbone or 'BERT base with random weights'}, B={arguments.batch_size}, "
        f"L={arguments.length}, K={arguments.num_gnn_layers}, LoRA r={arguments.lora_rank}; medians of "
        f"{arguments.repeats}. Cached states are random ones of the backbone's width. Peak memory: a process of its "
        "own builds the side and its batch and makes two steps; all tensors that live at once, of weights, gradients, "
        "optimizer, activations and batch\n\n" + format_table(header, rows)
    )
    panels = {
        "time of a step, ms": {name: [1000 * value for value in seconds[name]] for name in names},
        "peak memory, MiB": {name: [peaks[name] / 2**20] for name in names},
        "trained parameters, millions": {name: [parameters[name] / 1e6] for name in names},
    }
    return Report(text, {"sides": results}, draw_sides(panels, names[2:], log=True))


def measure_peak(name: str, arguments: Arguments) -> int:
    """Return the bytes that a side takes at most in two steps (the second has an optimizer with its state)."""
    device = arguments.find_device()
    _warm_up_libraries(device)
    memory = PeakMemory(device)
    step = build(name, arguments).step
    memory.reset()  # building may take more for a moment
    step()
    step()
    return memory.read()


def build(name: str, arguments: Arguments) -> Training:
    """Return a side by its name."""
    device = arguments.find_device()
    torch.manual_seed(arguments.seed)
    if name == FULL:
        return _on_text(_classifier(arguments), arguments, device)
    if name == LORA:
        return _on_text(get_peft_model(_classifier(arguments), lora_config(arguments.lora_rank)), arguments, device)
    options: dict[str, Any] = {"num_gnn_layers": arguments.num_gnn_layers, "num_labels": 2}
    how, options["gnn_hidden_size"] = next(
        (how, size)
        for how in (LIVE, CACHED, GRAPH)
        for size in arguments.gnn_hidden_sizes
        if name == _head_name(size, how)
    )
    if how == LIVE:
        model = GlotForSequenceClassification.from_backbone(_classifier(arguments).base_model, **options)
        return _on_text(model, arguments, device)
    size: Any = hidden_size_of(_backbone_config(arguments))
    model = GlotForSequenceClassification(GlotConfig(input_size=size, **options)).to(device)
    states, mask = random_states([arguments.length] * arguments.batch_size, size, arguments.seed)
    states, mask = states.to(device), mask.to(device)
    graph = {"adjacency": token_graph(states, mask, model.config.similarity_threshold)} if how == GRAPH else {}
    return _training(model, hidden_states=states, attention_mask=mask, **graph)


def _warm_up_libraries(device: torch.device) -> None:
    """Take a small step of a head, so that thread pools and kernels are loaded before memory is counted."""
    states, mask = random_states([8, 8], 32, seed=0)
    config = GlotConfig(input_size=32, gnn_hidden_size=8, num_labels=2)
    model = GlotForSequenceClassification(config).to(device)
    _training(model, hidden_states=states.to(device), attention_mask=mask.to(device)).step()


def _head_name(size: int, how: str) -> str:
    return f"GLOT H={size}, {how}"


def _backbone_config(arguments: Arguments) -> PreTrainedConfig:
    if arguments.backbone is None:
        return BertConfig()
    with _load_errors(arguments):
        return AutoConfig.from_pretrained(arguments.backbone, trust_remote_code=False)  # nosec B615 # no code is run


def _classifier(arguments: Arguments) -> PreTrainedModel:
    if arguments.backbone is None:
        return AutoModelForSequenceClassification.from_config(_backbone_config(arguments), trust_remote_code=False)
    with _load_errors(arguments):
        return AutoModelForSequenceClassification.from_pretrained(  # nosec B615 # no code is run
            arguments.backbone, num_labels=2, trust_remote_code=False
        )


@contextmanager
def _load_errors(arguments: Arguments) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise InputError(
            f"--backbone {arguments.backbone!r} cannot be loaded ({error}): name a repository or a folder"
        ) from error


def _on_text(model: Any, arguments: Arguments, device: torch.device) -> Training:
    shape = arguments.batch_size, arguments.length
    ids = torch.randint(5, model.config.get_text_config().vocab_size, shape, device=device)
    return _training(model.to(device), input_ids=ids, attention_mask=torch.ones_like(ids))


def _training(model: nn.Module, **batch) -> Training:
    trained = [parameter for parameter in model.train().parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, fused=True)
    labels = torch.arange(len(batch["attention_mask"]), device=batch["attention_mask"].device) % 2

    def step() -> None:
        optimizer.zero_grad()
        model(**batch, labels=labels).loss.backward()
        optimizer.step()

    return Training(step, sum(parameter.numel() for parameter in trained))
