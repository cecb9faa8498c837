# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf publish DIR REPO`: a head, its code, its tokenizer and a model card to the Hub."""

from dataclasses import dataclass

from safetensors import SafetensorError

from ..options.arguments import TrustArguments
from ..options.parser import CommandParser
from ..system.errors import InputError, user_errors
from ..system.options import option


@dataclass
class PublishArguments(TrustArguments):
    private: bool = option(False, "Make the repository private, if it is new.")
    backbone_id: str | None = option(None, "Where others find the backbone, if it was trained on a local folder.")
    license: str | None = option(None, "The Hub's name of one, such as apache-2.0; default: the backbone's.")
    revision: str | None = option(None, "Branch to commit to, made if there is none; default: main.")
    commit_message: str = option("Upload GLOT head", "The message of the commit.")


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        PublishArguments,
        prog="glot-hf publish",
        description=__doc__,
        common=["backbone_id", "private", "license"],
        examples=[
            "glot-hf publish head OWNER/film-head",
            "glot-hf publish head OWNER/film-head --backbone_id OWNER/backbone --private",
        ],
    )
    parser.add_argument("model", help="folder that `glot-hf train` or save_pretrained wrote")
    parser.add_argument("repo", help="repository on the Hub, OWNER/NAME")
    return parser


def run(argv: list[str]) -> None:
    arguments, rest = parser().parse(argv)
    from ..training.publish import publish

    with user_errors(RuntimeError, SafetensorError):  # of damaged weights
        commit = publish(
            rest.model,
            rest.repo,
            license=arguments.license,
            trust_remote_code=arguments.trust_remote_code,
            backbone_id=arguments.backbone_id,
            private=arguments.private or None,
            revision=arguments.revision,
            commit_message=arguments.commit_message,
        )
    if not commit.oid:
        raise InputError("the Hub has not said which commit it made: look at the repository before you go on")
    print(f"{commit.repo_url} is at commit {commit.oid}")
