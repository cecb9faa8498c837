# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The example.py beside an exported model, which shows a server all it needs: no torch, transformers or glot_hf."""

from math import log

from ..model.configuration_glot import GlotConfig


_OF_TEXT = '''\
"""Runs model.onnx on text. Needs onnxruntime, tokenizers and numpy."""

{imports}from pathlib import Path

import numpy
import onnxruntime
from tokenizers import Tokenizer


folder = Path(__file__).parent
session = onnxruntime.InferenceSession(folder / "model.onnx")
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))  # it also cuts and pads
taken = {{each.name for each in session.get_inputs()}}


def inputs_of(texts, suffix=""):
    rows = tokenizer.encode_batch(texts)
    columns = {{"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}}
    columns = {{f"{{name}}{{suffix}}": [getattr(row, field) for row in rows] for name, field in columns.items()}}
    return {{name: numpy.array(column, dtype=numpy.int64) for name, column in columns.items() if name in taken}}


texts = ["a lovely film", "an awful film, and far too long"]
inputs = inputs_of(texts){second_texts}
{answers}'''

_OF_HIDDEN_STATES = '''\
"""Runs model.onnx on hidden states. Needs onnxruntime and numpy."""

{imports}from pathlib import Path

import numpy
import onnxruntime


folder = Path(__file__).parent
session = onnxruntime.InferenceSession(folder / "model.onnx")
texts = ["first", "second"]  # of 5 and of 3 tokens
inputs = {{}}
for each in session.get_inputs():
    if each.name.startswith("hidden_states"):  # put those of your backbone, layer {layers}, in place of random ones
        inputs[each.name] = numpy.random.standard_normal([2, 5, *each.shape[2:]]).astype(numpy.float32)
    else:
        inputs[each.name] = numpy.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
{answers}'''

_SECOND_TEXTS = ' | inputs_of(["what a fine film", "a short film"], "_b")'

_LABELS = """\
labels = json.loads((folder / "config.json").read_text(encoding="utf-8"))["id2label"]
for text, logits in zip(texts, session.run(None, inputs)[0]):
    print(text, "->", labels[str({answer})])
"""

_LOGITS = """\
for text, logits in zip(texts, session.run(None, inputs)[0]):
    print(text, "->", logits)
"""

_VECTORS = """\
for text, vector in zip(texts, session.run(None, inputs)[0]):
    print(text, "->", vector[:3], "and so on,", len(vector), "numbers")
"""


def example(config: GlotConfig, with_backbone: bool, is_classifier: bool) -> str:
    """Return the source of an example.py for an ONNX file."""
    is_single = is_classifier and config.problem_type == "single_label_classification"
    names_labels = is_single and "id2label" in config.to_diff_dict()  # LABEL_0, LABEL_1, ... are not saved
    return (_OF_TEXT if with_backbone else _OF_HIDDEN_STATES).format(
        imports="import json\n" if names_labels else "",
        second_texts=_SECOND_TEXTS if is_classifier and config.pair_mode is not None else "",
        layers=config.backbone_layers,
        answers=_LABELS.format(answer=_answer_of(config)) if names_labels else _LOGITS if is_classifier else _VECTORS,
    )


def _answer_of(config: GlotConfig) -> str:
    threshold = config.decision_threshold
    if threshold is None:
        return "logits.argmax()"
    return f"int(logits[1] - logits[0] > {log(threshold / (1 - threshold))})"
