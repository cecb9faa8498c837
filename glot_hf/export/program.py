# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A head, alone or with its backbone, as a file that other programs run: ONNX, or a program of torch.export."""

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule
from transformers import PreTrainedTokenizerBase

from ..model.backbone_forward_glot import forward_parameters, run_backbone, sees_padding
from ..model.modeling_glot import GlotForSequenceClassification
from ..model.pretrained_glot import GlotPreTrainedModel
from ..system.errors import InputError


# Tensors by name -> sentence vectors or logits.
Run = Callable[[dict[str, Tensor]], Tensor]

_LARGEST_ONNX_FILE = 2**31 - 2**26  # what protobuf can hold, less the graph itself; beyond, weights lie beside it


def require_exportable_head(model: GlotPreTrainedModel) -> None:
    """
    Raises:
        InputError: it reads more than token states.
    """
    if features := model.config.token_features:
        raise InputError(
            f"this head reads token_features={features}, for which the whole language model runs, and which no "
            "exported program computes: train a head without --token_features to export it"
        )


def require_exportable_backbone(model: GlotPreTrainedModel) -> None:
    """
    Raises:
        InputError: there is no backbone, or it is of a kind that cannot be exported.
    """
    backbone = model.base_model.backbone
    alone = "leave out --with_backbone to export the head alone"
    if backbone is None:
        raise InputError(f"this head has no backbone: {alone}")
    if sees_padding(backbone):
        raise InputError(
            f"a {backbone.config.model_type!r} backbone sees padding, so it is run on the texts of one length at a "
            f"time, which no exported program can do: {alone}"
        )
    if getattr(backbone, "hf_quantizer", None) is not None:
        raise InputError(f"the weights of a quantized backbone cannot be exported: {alone}, or name another backbone")


def export_inputs(model: GlotPreTrainedModel, batch: dict[str, Tensor], with_backbone: bool) -> dict[str, Tensor]:
    """
    What the exported model takes of a tokenized batch, whose second texts have names with `_b`: the tokens themselves,
    or `hidden_states` `(B, L, d)` and `attention_mask`.
    """
    backbone = model.base_model.backbone
    taken = [
        name for name in ("input_ids", "attention_mask", "token_type_ids") if name in forward_parameters(backbone)
    ]
    if with_backbone:
        taken += ["input_ids_b", "attention_mask_b"]
        return {name: batch[name] for name in taken if name in batch}
    inputs = {}
    for suffix in ("", "_b"):
        if f"input_ids{suffix}" in batch:
            tokens = {name: batch[name + suffix] for name in taken if name + suffix in batch}
            states = run_backbone(backbone, tokens, model.config.backbone_layers).states
            inputs[f"hidden_states{suffix}"] = states.to(model.dtype)
            inputs[f"attention_mask{suffix}"] = batch[f"attention_mask{suffix}"]
    return inputs


def export_program(model: GlotPreTrainedModel, inputs: dict[str, Tensor]) -> ExportedProgram:
    """
    The model as a program of any batch size and any length, which gives a tuple of the sentence vectors or logits.

    Args:
        model ([`GlotModel`] or [`GlotForSequenceClassification`]): in eval mode.
        inputs (`dict`): an example of what the program takes, by the names of `forward`, of several rows and tokens.
            With `hidden_states`, the backbone is left out.

    Raises:
        InputError: it cannot be exported.
    """
    base = model.base_model
    backbone, return_dict = base.backbone, model.config.return_dict
    pooling = base.head.pooling
    block_size = getattr(pooling, "block_size", None)
    try:
        model.config.return_dict = False
        if block_size is not None:
            pooling.block_size = None  # the same graph in blocks of rows is a loop over the length, which it would fix
        if "hidden_states" in inputs:
            base.backbone = None
        batch = Dim("batch", min=1)
        shapes = {name: {0: batch, 1: Dim.AUTO} for name in inputs}
        with _quiet(), torch.no_grad():
            program = torch.export.export(model, (), inputs, dynamic_shapes=shapes)
    except Exception as error:  # torch.export has no one error for what it cannot do
        raise _cannot("exported by torch", error) from error
    finally:
        model.config.return_dict, base.backbone = return_dict, backbone
        if block_size is not None:
            pooling.block_size = block_size
    for module in program.graph_module.modules():  # what runs without autocast has a graph of its own
        for node in module.graph.nodes if isinstance(module, GraphModule) else ():
            node.meta.pop("stack_trace", None)  # it has the paths of this machine
    return program


def write_onnx(program: ExportedProgram, path: Path, model: GlotPreTrainedModel) -> None:
    """
    Raises:
        InputError: an operation has no counterpart in ONNX.
    """
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    inputs: Any = program.graph_signature.user_inputs
    names = {name: {0: "batch", 1: f"length{name[-2:] * name.endswith('_b')}"} for name in inputs}
    output = "logits" if isinstance(model, GlotForSequenceClassification) else "pooler_output"
    try:
        with _quiet():
            exported: Any = torch.onnx.export(program, verbose=False, output_names=[output], dynamic_shapes=names)
    except torch.onnx.OnnxExporterError as error:
        raise _cannot("translated to ONNX", error) from error
    ClearMetadataAndDocStringPass()(exported.model)  # a few hundred kilobytes, with the paths of this machine
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    exported.save(path, external_data=size > _LARGEST_ONNX_FILE)


def load_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda inputs: torch.from_numpy(session.run(None, {n: t.numpy() for n, t in inputs.items()})[0])


def write_torch(program: ExportedProgram, path: Path, model: GlotPreTrainedModel) -> None:
    program.example_inputs = None  # they would be in the file
    torch.export.save(program, path)


def load_torch(path: Path) -> Run:
    program = torch.export.load(path).module()
    return lambda inputs: program(**inputs)[0]


class Format(NamedTuple):
    file_name: str
    write: Callable[[ExportedProgram, Path, GlotPreTrainedModel], None]
    load: Callable[[Path], Run]


FORMATS = {
    "onnx": Format("model.onnx", write_onnx, load_onnx),
    "torch": Format("model.pt2", write_torch, load_torch),
}


def quantize_int8(source: Path, target: Path) -> None:
    """An ONNX file with linear layers and embeddings in int8; what linear layers read is rounded batch by batch."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with _quiet(), tempfile.TemporaryDirectory() as folder:
        # Parts of a weight (the readout's) become weights: no others are quantized, and a pair shares them.
        folded = Path(folder, "folded.onnx")
        quant_pre_process(source, folded, skip_symbolic_shape=True, save_as_external_data=True)  # however large
        graph = onnx.load(folded, load_external_data=False).graph
        dims = {weight.name: len(weight.dims) for weight in graph.initializer}
        # onnxruntime has no scale per channel of a stack of matrices, such as the latents of several attention heads.
        stacks = [node.name for node in graph.node if node.op_type == "MatMul" and dims.get(node.input[1], 2) > 2]
        # Unsigned: products with signed weights overflow on processors without VNNI.
        options = {"per_channel": True, "weight_type": QuantType.QUInt8, "nodes_to_exclude": stacks}
        quantize_dynamic(folded, target, **options)


def write_tokenizer(tokenizer: PreTrainedTokenizerBase, path: Path) -> None:
    """
    A tokenizer.json for the library tokenizers alone: it also cuts texts and pads batches, as this tokenizer does.

    Raises:
        InputError: the tokenizer is not of that library.
    """
    if not tokenizer.is_fast:
        raise InputError(
            f"{type(tokenizer).__name__} is not a fast tokenizer and has no tokenizer.json, without which an exported "
            "backbone is of no use: leave out --with_backbone to export the head alone"
        )
    backend: Any = tokenizer.backend_tokenizer
    exported = Tokenizer.from_str(backend.to_str())
    if tokenizer.model_max_length < 1_000_000:
        exported.enable_truncation(tokenizer.model_max_length, direction=tokenizer.truncation_side)
    exported.enable_padding(
        direction=tokenizer.padding_side,
        pad_id=tokenizer.pad_token_id or 0,  # without a padding token as `pad_tokens` does
        pad_type_id=tokenizer.pad_token_type_id,
        pad_token=tokenizer.pad_token or tokenizer.convert_ids_to_tokens(0),
    )
    exported.save(str(path))


def _cannot(what: str, error: Exception) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InputError(
        f"this model cannot be {what} ({reason}): heads alone can, and those on BERT-like encoders or Llama-like "
        "decoders with their backbone"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what exporters print about their own workings."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
