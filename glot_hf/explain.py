# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Why a head answers as it does: the contribution of every word, the token graph, and what meets what in a pair.

A sentence vector of GLOT is a weighted sum of tokens, and a classifier is linear, so a logit is a sum over tokens: its
summands are the contributions, exactly. Where a head is not linear in its tokens, the explanation says so.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from .explanations.attention import Seen, align, watched
from .explanations.contributions import (
    EXACT,
    GRADIENTS,
    gradient_contributions,
    linear_contributions,
    reason_not_exact,
)
from .explanations.explanation import Alignment, Explanation, TextExplanation
from .explanations.gradients import integrated_gradients
from .explanations.words import Words, words_of
from .model.backbone_forward_glot import run_backbone
from .model.backbone_glot import device_of
from .model.backbone_holder_glot import NO_BACKBONE
from .model.decision_glot import at_threshold
from .model.encoding_glot import longest_text


METHODS = ("contributions", "integrated_gradients")


def explain(
    model: Any,
    text: str,
    tokenizer: PreTrainedTokenizerBase,
    text_pair: str | None = None,
    method: str = "contributions",
    max_length: int | None = None,
) -> Explanation:
    """
    Take an answer apart.

    Args:
        model ([`GlotForSequenceClassification`] or [`GlotModel`]): with its backbone; also one that was loaded with
            trust_remote_code. A `GlotModel` gives readout weights and graphs, and no contributions.
        text, text_pair (`str`): the text, and the second one of a head with a `pair_mode`.
        tokenizer: a fast one, that of the model.
        method (`str`): "contributions" of the tokens that the head sums, or "integrated_gradients" of the input
            embeddings by Captum (extra `explain`), for any head.
        max_length (`int`, *optional*): longer texts are cut; default: what tokenizer and backbone both take.

    Returns:
        [`Explanation`]: with `exact=True` where contributions and bias sum to the logits.

    Raises:
        ValueError: a pair for a head that takes one text or the other way round, no backbone, a slow tokenizer, an
            unknown method; or integrated gradients of a head without classes.
        InputError: Captum is needed and not installed.
    """
    config, base = model.config, model.base_model
    classifies = hasattr(model, "compute_loss")
    if method not in METHODS:
        raise ValueError(f"method={method!r} is not one of {', '.join(METHODS)}")
    if method == "integrated_gradients" and not classifies:
        raise ValueError("integrated gradients explain answers, and this model gives vectors: use contributions")
    if base.backbone is None:
        raise ValueError(NO_BACKBONE)
    if not tokenizer.is_fast:
        raise ValueError(
            f"a {type(tokenizer).__name__} does not say where tokens are in the text: use a fast tokenizer"
        )
    is_pair = classifies and config.pair_mode is not None
    if (text_pair is not None) != is_pair:
        raise ValueError(
            "this head compares two texts: pass text_pair"
            if is_pair
            else "this head takes one text: leave out text_pair"
        )
    texts = [text] if text_pair is None else [text, text_pair]
    max_length = longest_text(tokenizer, base.backbone) if max_length is None else max_length
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return _explain(model, texts, tokenizer, max_length, method, classifies)
    finally:
        model.train(was_training)


def _explain(
    model: Any, texts: list[str], tokenizer: Any, max_length: int | None, method: str, classifies: bool
) -> Explanation:
    config, base = model.config, model.base_model
    encoded = [_tokenize(text, tokenizer, max_length, device_of(base.backbone)) for text in texts]
    states = [_states(base, inputs) for inputs, _ in encoded]
    pooled, seen = [], []
    for each in states:
        mask = torch.ones(each.shape[:2], dtype=torch.long, device=each.device)
        with watched(base.head) as found:
            pooled.append(base.head(each, mask, return_details=True))
        seen.append(found)
    logits = bias = answer = None
    contributions: list[Tensor | None] = [None] * len(texts)
    exact, why = False, "a vector has no logits to contribute to"
    if classifies:
        names = ["hidden_states", "hidden_states_b"][: len(texts)]
        inputs = dict(zip(names, states))
        logits = model(**inputs).logits[0]  # (C,)
        answer = 0 if len(logits) == 1 else int(at_threshold(logits, config.decision_threshold).argmax())
        reason = reason_not_exact(config)
        if method == "integrated_gradients":
            found = [_integrated(model, encoded, states, place, len(logits)) for place in range(len(texts))]
            why = "integrated gradients of the input embeddings, against embeddings of zeros"
        elif reason is None or config.pair_mode in (None, "concat") and config.pooling in ("max", "glot"):
            found, bias = linear_contributions(model, pooled)
            exact, why = reason is None, EXACT if reason is None else f"{EXACT}, though not linearly: {reason}"
        else:
            found, why = gradient_contributions(model, inputs, names), GRADIENTS.format(reason=reason)
        contributions = list(found)
        if bias is None:
            bias = logits - sum(each.sum(dim=0) for each in found)
    parts = [
        _part(text, words, pooled[place], contributions[place], seen[place])
        for place, (text, (_, words)) in enumerate(zip(texts, encoded))
    ]
    alignment = alignment_back = None
    if classifies and config.compares_tokens:
        tokens = [each.token_embeddings for each in pooled]
        alignment, alignment_back = align(model.late, *tokens), align(model.late, *reversed(tokens))
    return Explanation(
        first=parts[0],
        second=parts[1] if len(parts) > 1 else None,
        labels=[str(config.id2label[place]) for place in range(len(logits))] if logits is not None else [],
        logits=None if logits is None else logits.cpu(),
        bias=None if bias is None else bias.cpu(),
        answer=answer,
        exact=exact,
        why=why,
        method=method,
        has_several_labels=config.problem_type == "multi_label_classification",
        alignment=alignment,
        alignment_back=alignment_back,
    )


def _tokenize(text: str, tokenizer: Any, max_length: int | None, device: torch.device) -> tuple[dict, Words]:
    found = tokenizer(text, truncation=max_length is not None, max_length=max_length, return_offsets_mapping=True)
    words = words_of(text, found["input_ids"], tokenizer, found.pop("offset_mapping"))
    return {name: torch.tensor([ids], dtype=torch.long, device=device) for name, ids in found.items()}, words


def _states(base: Any, inputs: dict[str, Tensor]) -> Tensor:
    """Return what the head reads of a text, `(1, L, d)` or `(1, L, n, d)`, in the head's dtype."""
    names = ("input_ids", "inputs_embeds", "attention_mask", "token_type_ids", "position_ids")
    inputs = {name: inputs[name] for name in names if name in inputs}
    given = inputs["input_ids"] if "input_ids" in inputs else inputs["inputs_embeds"]
    if given.shape[1] == 0:  # no backbone runs on no token
        return torch.zeros(1, 0, *base.head.token_shape)
    run = run_backbone(base.backbone, inputs, base.config.backbone_layers, token_features=base.config.token_features)
    weight = next(base.head.parameters(), None)
    return run.states.float() if weight is None else run.states.to(weight.device, weight.dtype)


def _integrated(model: Any, encoded: list, states: list[Tensor], place: int, num_labels: int) -> Tensor:
    inputs, _ = encoded[place]
    ids = inputs["input_ids"]
    others = {name: tensor for name, tensor in inputs.items() if name != "input_ids"}
    names = ["hidden_states", "hidden_states_b"][: len(states)]

    def logits_of(embeds: Tensor) -> Tensor:
        count = len(embeds)
        given = {name: tensor.expand(count, *tensor.shape[1:]) for name, tensor in others.items()}
        read = [each.expand(count, *each.shape[1:]) for each in states]
        read[place] = _states(model.base_model, {**given, "inputs_embeds": embeds})
        return model(**dict(zip(names, read))).logits

    return integrated_gradients(logits_of, model.base_model.get_input_embeddings()(ids).detach(), num_labels)


def _part(text: str, words: Words, pooled: Any, contributions: Tensor | None, seen: Seen) -> TextExplanation:
    weights, tokens = pooled.readout_weights, F.normalize(seen.tokens.float(), dim=-1)  # (L, d)
    return TextExplanation(
        text=text,
        tokens=words.words,
        offsets=words.offsets,
        readout_weights=None if weights is None else words.sum(weights[0].float().cpu()),
        contributions=None if contributions is None else words.sum(contributions.cpu()),
        subwords=words.subwords,
        word_of=words.word_of,
        cosines=tokens @ tokens.T,
        adjacency=None if pooled.adjacency is None else pooled.adjacency[0].cpu(),
        graph_attention=seen.attention,
    )


__all__ = ["METHODS", "Alignment", "Explanation", "TextExplanation", "explain"]
