# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf convert`: a `.pth` file of the released GLOT code in, a head that loads out."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..loading.head import new_head
from ..options.arguments import BackboneArguments, parse_load_kwargs, require_backbone
from ..options.parser import CommandParser
from ..system.atomic_files import replacing_files
from ..system.errors import InputError, user_errors
from ..system.lock import locked
from ..system.options import REQUIRED, option


@dataclass
class ConversionArguments:
    """What to convert, and what its tensors do not tell."""

    checkpoint: str = option(REQUIRED, "The `.pth` file: torch.save of the pooler's state dict.")
    output_dir: str = option(REQUIRED, "Folder for the head and its tokenizer.")
    tau: float | None = option(
        None, "The cosine threshold of its training; needed for glot.", aliases=["--similarity_threshold"]
    )
    jumping_knowledge: Literal["max", "mean"] | None = option(
        None, "How layer outputs join; needed where it is not cat."
    )
    backbone_load_kwargs: str | None = option(None, "How to load the backbone, recorded with the head; JSON.")


def parser() -> CommandParser:
    """Return the parser of the command line."""
    return CommandParser(
        BackboneArguments,
        ConversionArguments,
        prog="glot-hf convert",
        description=__doc__,
        common=["checkpoint", "backbone", "output_dir", "similarity_threshold"],
        examples=[
            "glot-hf convert --checkpoint pooler.pth --backbone bert-base-uncased --output_dir head --tau 0.8",
            "glot-hf convert --checkpoint adapool.pth --backbone bert-base-uncased --output_dir head",
        ],
    )


def run(argv: list[str]) -> None:
    backbone, arguments = parser().parse(argv)
    require_backbone(backbone)
    convert(backbone, arguments)


def convert(backbone: BackboneArguments, arguments: ConversionArguments) -> None:
    """
    Write a `GlotModel` and its tokenizer to `arguments.output_dir`.

    Raises:
        InputError: the checkpoint is none of the released code, or does not fit the backbone and the options.
    """
    from ..convert import convert_official_state_dict, infer_official_options
    from ..model.modeling_glot import GlotModel

    if os.path.exists(os.path.join(arguments.output_dir, "config.json")):
        raise InputError(f"{arguments.output_dir!r} already holds a model: name another --output_dir")
    load_kwargs = parse_load_kwargs(arguments.backbone_load_kwargs)
    state_dict = _read(arguments.checkpoint)
    with user_errors(RuntimeError):
        options = _complete(infer_official_options(state_dict), arguments)
        weights = convert_official_state_dict(state_dict, options.get("gnn_type"))
        model, tokenizer = new_head(GlotModel, *backbone.source(load_kwargs), **options)
        model.head.load_state_dict(weights)
        with locked(arguments.output_dir), replacing_files(Path(arguments.output_dir)) as part:
            model.save_pretrained(part)
            tokenizer.save_pretrained(part)
    print(*(f"{name}: {value}" for name, value in options.items()), sep="\n")
    print(
        f"\nThe head is in {arguments.output_dir}. In Python:\n\n"
        "    import glot_hf\n"
        "    from transformers import AutoModel, AutoTokenizer\n\n"
        f"    model = AutoModel.from_pretrained({arguments.output_dir!r})\n"
        f"    tokenizer = AutoTokenizer.from_pretrained({arguments.output_dir!r})\n"
        '    vectors = model.encode(["some text"], tokenizer)'
    )


def _read(path: str) -> dict[str, Any]:
    """Read the tensors of a `.pth` file, by name. No code that it may hold is run."""
    import torch

    if not os.path.isfile(path):
        raise InputError(f"there is no file {path!r}: check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is refused below
            state_dict = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load has no error of its own for a file that is none of its
        raise InputError(
            f"{path!r} cannot be read ({type(error).__name__}): it is damaged, or holds more than tensors, which is "
            "not opened because it could run code; the released code writes torch.save(pooler.state_dict(), path)"
        ) from error
    if not isinstance(state_dict, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in state_dict.items()
    ):
        what = sorted(map(str, state_dict))[:5] if isinstance(state_dict, dict) else type(state_dict).__name__
        raise InputError(
            f"{path!r} does not hold a state dict (tensors by name) but {what}: save pooler.state_dict() alone"
        )
    return state_dict


def _complete(options: dict[str, Any], arguments: ConversionArguments) -> dict[str, Any]:
    """Return what the tensors tell, and what the user adds where they do not."""
    if options["pooling"] == "adapool":
        if arguments.tau is not None or arguments.jumping_knowledge is not None:
            raise InputError(
                "the checkpoint is an AdaPool: leave out --tau and --jumping_knowledge, which it does not have"
            )
        return options
    if arguments.tau is None:
        raise InputError(
            "--tau is missing: the checkpoint does not record its cosine threshold; the released README trains with "
            "0.8 on GLUE, 0.6 in the stress test and 0.3 for MTEB"
        )
    found, asked = options.get("jumping_knowledge"), arguments.jumping_knowledge
    if found is None and asked is None:
        raise InputError(
            "--jumping_knowledge is missing: by its tensors the checkpoint joins its layers by max or by mean; the "
            "released code names it in the file name, as in layers2_max"
        )
    if found == "cat" and asked is not None:
        raise InputError(f"--jumping_knowledge {asked} does not fit: the checkpoint joins its layers by cat")
    return {**options, "similarity_threshold": arguments.tau, "jumping_knowledge": asked or found}
