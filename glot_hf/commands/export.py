# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf export DIR --to onnx`: a head, alone or with its backbone, for programs without transformers."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..loading.head import load_head
from ..options.arguments import LabelledTextArguments, TrustArguments
from ..options.parser import CommandParser
from ..system.disk import format_bytes, require_room
from ..system.errors import InputError, require_extra, require_positive, user_errors
from ..system.lock import locked_file
from ..system.options import REQUIRED, option


@dataclass(kw_only=True)
class ExportArguments(TrustArguments):
    to: Literal["onnx", "torch"] = option(REQUIRED, "onnx: model.onnx; torch: model.pt2 for torch.export.load.")
    with_backbone: bool = option(
        False, "Put the backbone inside, so that the program takes tokens; default: it takes hidden states."
    )
    quantize: Literal["int8"] | None = option(None, "Weights in int8 (onnx alone); what that costs is printed.")
    output_dir: str | None = option(None, "A new folder; default: DIR_onnx or DIR_torch, in the working directory.")
    batch_size: int = option(64, "Texts a batch, of the labelled texts that judge int8.")


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        ExportArguments,
        LabelledTextArguments,
        prog="glot-hf export",
        description=__doc__,
        common=["to", "output_dir", "quantize", "validation_file"],
        examples=[
            "glot-hf export head --to onnx --output_dir served",
            "glot-hf export head --to onnx --quantize int8 --validation_file reviews.csv",
        ],
    )
    parser.add_argument("model", help="folder or repository of a head")
    return parser


def run(argv: list[str]) -> None:
    arguments, data, rest = parser().parse(argv)
    output_dir = Path(arguments.output_dir or f"{os.path.basename(os.path.normpath(rest.model))}_{arguments.to}")
    if output_dir.exists():
        raise InputError(f"{str(output_dir)!r} already exists: name another --output_dir")
    require_positive(arguments.batch_size, "--batch_size")
    if arguments.to == "onnx":
        require_extra("onnx", "onnx", "onnxruntime", "onnxscript")
    elif arguments.quantize is not None:
        raise InputError(f"--quantize {arguments.quantize} is for --to onnx")
    if arguments.quantize is None and (data.validation_file or data.task):
        raise InputError("--validation_file and --task judge what --quantize costs: leave them out")
    with user_errors():
        output_dir.parent.mkdir(parents=True, exist_ok=True)  # before the work
    with locked_file(output_dir):
        export(rest.model, output_dir, arguments, data)


def export(name: str, output_dir: Path, arguments: ExportArguments, data: LabelledTextArguments) -> None:
    """
    Writes the exported model of a folder or repository, and what belongs to it, to a new folder.

    Raises:
        InputError: it cannot be exported, or what was exported gives other numbers.
    """
    from safetensors import SafetensorError

    from ..export.check import random_batches, text_batches
    from ..export.example import example
    from ..export.program import (
        FORMATS,
        export_program,
        quantize_int8,
        require_exportable_backbone,
        require_exportable_head,
        write_tokenizer,
    )
    from ..model.modeling_glot import GlotModel
    from ..publishing.upload import forget_paths

    with user_errors(RuntimeError, SafetensorError):
        model, tokenizer = load_head(name, arguments.trust)
    require_exportable_head(model)
    is_classifier = not isinstance(model, GlotModel)
    if not is_classifier and (data.validation_file or data.task):
        raise InputError(
            "this head gives vectors, of which cosines judge int8: leave out --validation_file and --task"
        )
    has_text = tokenizer is not None
    judge = None
    if arguments.quantize is not None:
        require_extra("train", "datasets", "sklearn", "scipy")
        from ..export.int8 import compare_vectors

        if is_classifier and not has_text:
            raise InputError("what int8 costs is judged on text, and this head has no backbone that reads it")
        judge = load_judge(name, model, tokenizer, data) if is_classifier else None
    if arguments.with_backbone:
        require_exportable_backbone(model)
        model.float()
    if not has_text:
        print("no backbone is recorded with this head: it is checked on random hidden states")
    batches = list(text_batches(model, tokenizer, arguments.with_backbone) if has_text else random_batches(model))

    form = FORMATS[arguments.to]
    size = _bytes_of(model if arguments.with_backbone else model.base_model.head)
    for place, copies in ((tempfile.gettempdir(), 3), (output_dir.parent, 1)):  # torch ends the process where it fails
        require_room(place, copies * size, "the exported files", "make room, or name another --output_dir")
    with tempfile.TemporaryDirectory() as temporary:
        exact, folder = Path(temporary, "float32"), Path(temporary, "export")
        exact.mkdir()
        folder.mkdir()
        form.write(export_program(model, batches[0]), exact / form.file_name, model)
        _check(form.load(exact / form.file_name), model, batches)
        if arguments.quantize is None:
            shutil.copytree(exact, folder, dirs_exist_ok=True)
        else:
            quantize_int8(exact / form.file_name, folder / form.file_name)
            print(f"int8: {format_bytes(_size(folder))}; float32: {format_bytes(_size(exact))}")
            runs = {"float32": form.load(exact / form.file_name), "int8": form.load(folder / form.file_name)}
            if judge is not None:
                compare_on_text(runs, *judge, arguments.with_backbone, arguments.batch_size)
            else:
                compare_vectors(runs, batches)
        model.config.save_pretrained(folder)
        forget_paths(folder)  # which say nothing to a server
        if arguments.with_backbone:
            write_tokenizer(tokenizer, folder / "tokenizer.json")
        if arguments.to == "onnx":
            source = example(model.config, arguments.with_backbone, is_classifier)
            (folder / "example.py").write_text(source, encoding="utf-8")
        # Copied beside the output, and moved: it is there whole or not at all.
        with tempfile.TemporaryDirectory(dir=output_dir.parent, prefix=f".{output_dir.name}.") as beside:
            shutil.copytree(folder, Path(beside, "export")).rename(output_dir)
    print(f"{output_dir}: {', '.join(sorted(os.listdir(output_dir)))}, {format_bytes(_size(output_dir))}")


def _bytes_of(module: Any) -> int:
    return sum(tensor.nbytes for tensor in module.state_dict().values())


def load_judge(name: str, model: Any, tokenizer: Any, data: LabelledTextArguments) -> tuple[Any, dict[str, Any]]:
    """
    Return the head in a folder or repository, and labelled examples for it, by the prefix of the metrics.

    Raises:
        InputError: there are none, or they do not fit the head.
    """
    from ..runs.texts import evaluation_examples
    from ..training.trained import with_record

    head = with_record(name, model, tokenizer)
    evaluations = evaluation_examples(data, head.labels_in_files, head.record)
    head.require_pairs("text_pair" in evaluations["eval"].column_names)
    return head, evaluations


def compare_on_text(
    runs: dict[str, Any], head: Any, evaluations: dict[str, Any], with_backbone: bool, batch_size: int
) -> None:
    """
    Print the metrics of exported classifiers, by their names, on the examples of [`load_judge`].

    Raises:
        InputError: an answer is not finite; names its row.
    """
    from ..data.examples import PairCollator
    from ..export.int8 import compare_metrics

    collate = PairCollator(head.tokenizer)
    for prefix, examples in evaluations.items():
        rows = head.tokenize(examples).to_list()
        with user_errors():
            compare_metrics(runs, head.model, collate, rows, prefix, with_backbone, batch_size)


def _check(run: Any, model: Any, batches: list[dict[str, Any]]) -> None:
    from ..export.check import TOLERANCE, largest_difference

    with user_errors():
        difference, compared, set_aside = largest_difference(run, model, batches)
    if not difference <= TOLERANCE or not compared:
        raise InputError(
            f"the exported model and the model differ by {difference:.1e} over {compared} texts, more than the "
            f"tolerance of {TOLERANCE:.0e}: nothing is written"
        )
    left_out = f", {set_aside} left out whose graphs hang on rounding" if set_aside else ""
    print(
        f"largest difference from torch: {difference:.1e} over {compared} texts padded left and right{left_out} "
        f"(tolerance {TOLERANCE:.0e})"
    )


def _size(folder: Path) -> int:
    """Return a size in bytes."""
    return sum(path.stat().st_size for path in folder.iterdir())
