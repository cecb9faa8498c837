# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Whether an exported model says what the model says."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from transformers.tokenization_utils_base import LARGE_INTEGER

from ..model.encoding_glot import pad_tokens
from ..model.finite_glot import require_finite
from ..model.modeling_glot import GlotModel
from ..model.pretrained_glot import GlotPreTrainedModel
from .program import Run, export_inputs


TOLERANCE = 1e-5  # of float32

# Of one word to a paragraph, so that padded together, most of it is padding.
TEXTS = [
    "Yes.",
    "The film was not good.",
    "A lovely, quiet film, and far too short!",
    "Why did nobody tell me that the museum closes at five on Tuesdays?",
    "12,500 kg of CO2 (about 27,558 lb) were saved in 2019, said the report.",
    "Die Brücke über den Fluss wird im nächsten Frühjahr eröffnet.",
    "He opened the letter, read it twice, folded it, and said that he had never in his life seen such a thing.",
    "The committee met on Monday to discuss the budget. Two members asked for another school, three for a bridge, and "
    "one for nothing at all; after four hours the chair, who had said little, proposed to ask the town. Nobody "
    "objected, and so a letter went out to every household, with a map, a list of costs, and a date to answer by.",
]


def text_batches(
    model: GlotPreTrainedModel, tokenizer: PreTrainedTokenizerBase, with_backbone: bool
) -> Iterator[dict[str, Tensor]]:
    """Return inputs of real text for an exported model: padded on the right, on the left, and one text alone."""
    is_pair = getattr(model.config, "pair_mode", None) is not None
    is_cut = tokenizer.model_max_length < LARGE_INTEGER
    for texts, side in ((TEXTS, "right"), (TEXTS, "left"), (TEXTS[2:3], "right")):
        batch = {}
        for suffix, column in [("", texts), ("_b", [TEXTS[3], *texts[1:]])][: 1 + is_pair]:
            rows = [tokenizer(text, truncation=is_cut) for text in column]
            batch |= {f"{name}{suffix}": ids for name, ids in pad_tokens(tokenizer, rows, side).items()}
        yield export_inputs(model, batch, with_backbone)


def random_batches(model: GlotPreTrainedModel) -> Iterator[dict[str, Tensor]]:
    """Return inputs of random hidden states, for a head without a backbone; the same three as for text."""
    generator = torch.Generator().manual_seed(0)
    suffixes = ("",) if model.config.pair_mode is None else ("", "_b")
    for lengths, is_left in (([1, 40, 7], False), ([1, 40, 7], True), ([9], False)):
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        mask = (mask.flip(1) if is_left else mask).long()
        shape = (*mask.shape, *model.base_model.head.token_shape)
        inputs = {}
        for suffix in suffixes:
            inputs[f"hidden_states{suffix}"] = torch.randn(shape, generator=generator)
            inputs[f"attention_mask{suffix}"] = mask
        yield inputs


@torch.no_grad()
def largest_difference(
    run: Run, model: GlotPreTrainedModel, batches: Iterable[dict[str, Tensor]]
) -> tuple[float, int, int]:
    """
    Compare what an exported model gives with what the model gives.

    Returns:
        `tuple[float, int, int]`: the largest difference, relative to the largest number of the batch where that is
        above 1; how many texts (or pairs) were compared; how many were set aside, because rounding decides on an edge.

    Raises:
        ValueError: what the model gives is not finite.
    """
    largest, compared, set_aside = 0.0, 0, 0
    for inputs in batches:
        expected, actual = model(**inputs, return_dict=True), run(inputs)
        expected = expected.pooler_output if isinstance(model, GlotModel) else expected.logits
        require_finite(model, expected)
        is_clear = ~_hangs_on_rounding(model.base_model, inputs)
        difference = ((actual - expected).abs() / expected.abs().max().clamp(min=1))[is_clear]
        # Not max(), which drops NaN.
        largest = torch.cat([torch.tensor([largest]), difference.flatten()]).max().item()
        compared, set_aside = compared + int(is_clear.sum()), set_aside + int((~is_clear).sum())
    return largest, compared, set_aside


def _hangs_on_rounding(model: GlotModel, inputs: dict[str, Tensor]) -> Tensor:
    """Return which rows have two tokens whose cosine is that close to tau, `(B,)` bool."""
    threshold = getattr(model.head.pooling, "threshold", None)
    rows = torch.zeros(len(inputs["attention_mask"]), dtype=torch.bool)
    if threshold is None:
        return rows
    for suffix in {"", "_b"} if "attention_mask_b" in inputs else {""}:
        names = ("input_ids", "hidden_states", "attention_mask", "token_type_ids")
        text = {name: inputs[name + suffix] for name in names if name + suffix in inputs}
        graphs = []
        for shift in (-TOLERANCE, TOLERANCE):
            model.head.pooling.threshold = threshold + shift
            graphs.append(model(**text, output_adjacency=True, return_dict=True).adjacency)
        model.head.pooling.threshold = threshold
        rows |= (graphs[0] != graphs[1]).flatten(1).any(dim=1)
    return rows
