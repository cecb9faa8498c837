# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
`glot-hf cache build | info | verify | prune | clear`: hidden states on the disk, which training reads instead of
running the backbone.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..loading.backbone import load_backbone_and_tokenizer, set_max_length
from ..options.arguments import (
    BackboneArguments,
    CacheArguments,
    DataArguments,
    LayerArguments,
    head_options,
    require_backbone,
)
from ..options.parser import CommandParser
from ..options.quantities import parse_size, parse_time
from ..system.errors import InputError, require_extra, user_errors
from ..system.options import option


@dataclass
class PruneArguments:
    older_than: str | None = option(None, "Delete caches that were not used for so long, such as 12h, 30d or 8w.")
    max_size: str | None = option(
        None, "Delete the least recently used caches, until all take no more together, such as 500MB or 20GB."
    )
    dry_run: bool = option(False, "Say what would be deleted, and delete nothing.")


def run(argv: list[str]) -> None:
    actions = {
        "build": (build, "compute the hidden states of the texts that `glot-hf train` with these options would read"),
        "info": (info, "list caches: what they are of, how large and how old, when they were used, how much is done"),
        "verify": (verify, "read everything again and compare it with its checksums"),
        "prune": (prune, "delete the caches that were not used for longest, by their age or until the rest is small"),
        "clear": (clear, "delete caches"),
    }
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: glot-hf cache ACTION [options]; glot-hf cache ACTION --help lists the options\n")
        for name, (_, summary) in actions.items():
            print(f"  {name:<12} {summary}")
        return
    if argv[0] not in actions:
        raise InputError(f"there is no action {argv[0]!r}: the actions are {', '.join(actions)}")
    action, summary = actions[argv[0]]
    action(argv[1:], summary)


def parser(summary: str | None = None) -> CommandParser:
    """Return the parser of `glot-hf cache build`."""
    return CommandParser(
        BackboneArguments,
        DataArguments,
        LayerArguments,
        CacheArguments,
        prog="glot-hf cache build",
        description=summary,
        common=["backbone", "train_file", "validation_file", "task", "data_dir", "backbone_layers", "cache_dir"],
        examples=[
            "glot-hf cache build --backbone bert-base-uncased --train_file reviews.csv",
            "glot-hf cache build --backbone bert-base-uncased --task cola --data_dir glue/CoLA --backbone_layers 8",
        ],
    )


def build(argv: list[str], summary: str) -> None:
    backbone, data, layers, cache = parser(summary).parse(argv)
    require_extra("train", "datasets", "sklearn", "scipy")
    require_backbone(backbone)
    from ..runs.hidden_states import cached_rows, describe, say_if_much
    from ..runs.texts import training_texts

    options = head_options(layers)
    texts = training_texts(data, seed=0)  # which rows are held out does not matter here
    model, tokenizer, revision = load_backbone_and_tokenizer(*backbone.source(options["backbone_load_kwargs"]))
    max_length = set_max_length(tokenizer, texts.max_length, model, is_default=data.max_length is None)
    splits = {"train": texts.train, **texts.evaluations}
    where = {"revision": revision, "layers": options["backbone_layers"], "max_length": max_length}
    rows = cached_rows(model, tokenizer, splits, cache, token_features=options["token_features"], **where)
    print(describe(rows["train"]))
    say_if_much(cache)


def info(argv: list[str], summary: str) -> None:
    from ..states.folder import num_bytes, times_of
    from ..states.manifest import Manifest
    from ..system.disk import format_bytes

    folders, total = _caches(*_parser("info", summary).parse(argv)), 0
    for folder in folders:
        size = num_bytes(folder)
        total += size
        begun, last_used = map(_moment, times_of(folder))
        print(folder)
        try:
            manifest = Manifest.read(folder)
        except InputError as error:  # the others are still worth a look
            print(f"  {error}\n  size      {format_bytes(size)}\n  used      last on {last_used}, begun on {begun}\n")
            continue
        key = manifest.key
        layers = ", ".join([f"layers {key['layers']}", *key.get("token_features", ())])
        commit = f", commit {key['revision']}" if key["revision"] else ""
        print(
            f"  backbone  {key['backbone']}{commit}, run in {key['backbone_dtype']}\n"
            f"  states    {layers}, in {key['stored_dtype']}, texts cut at {key['max_length']} tokens\n"
            f"  holds     {len(manifest.lengths):,} distinct texts, {manifest.num_tokens:,} tokens\n"
            f"  size      {format_bytes(size)}, {_progress(folder, manifest)}\n"
            f"  used      last on {last_used}, begun on {begun}\n"
        )
    print(f"{len(folders)} caches, {format_bytes(total)}")


def verify(argv: list[str], summary: str) -> None:
    from transformers.utils import logging

    from ..states.folder import damages
    from ..states.manifest import FILE_NAME, Manifest

    bad, unfinished = [], []
    for folder in _caches(*_parser("verify", summary).parse(argv)):
        try:
            manifest = Manifest.read(folder)
        except InputError as error:  # the others are still to be checked
            print(error)
            bad.append(str(folder / FILE_NAME))
            continue
        checks = logging.tqdm(damages(folder, manifest), total=len(manifest.shards), desc=folder.name, unit=" shards")
        found = {name: damage for name, damage in checks if damage is not None}
        damaged = [f"{folder / name}: {damage}" for name, damage in found.items() if (folder / name).is_file()]
        if found and not damaged:
            unfinished.append(f"{folder}: {_progress(folder, manifest)}")
            print(unfinished[-1])
        else:
            print(*damaged or [f"{folder}: all {len(manifest.shards)} shards are whole"], sep="\n")
        bad += damaged
    if bad:
        raise InputError(
            f"damaged or missing: {len(bad)}, the first {bad[0]}: delete what is damaged, and the command that made "
            "the cache makes it again, and what is missing"
        )
    if unfinished:
        raise InputError(f"not all is there: {unfinished[0]}")


def prune(argv: list[str], summary: str) -> None:
    from ..states.folder import clear as clear_folder
    from ..states.folder import num_bytes, times_of
    from ..states.housekeeping import unused
    from ..system.atomic_files import is_being_written
    from ..system.disk import format_bytes

    asked, rest = _parser("prune", summary, PruneArguments).parse(argv)
    if asked.older_than is None and asked.max_size is None:
        raise InputError("say which caches go: --older_than, such as 30d, or --max_size, such as 20GB, or both")
    before = None if asked.older_than is None else time.time() - parse_time(asked.older_than, "--older_than")
    most = None if asked.max_size is None else parse_size(asked.max_size, "--max_size")
    did = "would delete" if asked.dry_run else "deleted"
    folders, freed = _caches(rest), 0
    with user_errors():  # a folder that is somebody else's
        going = unused(folders, before, most)
        for folder in going:
            last_used = _moment(times_of(folder).last_used)
            size = num_bytes(folder) if asked.dry_run else clear_folder(folder)
            freed += size
            print(f"{did} {folder}, {format_bytes(size)}, last used on {last_used}")
        kept = [folder for folder in folders if folder not in going]
        for folder in filter(is_being_written, kept):
            print(f"left {folder} alone, which is being built")
        left = sum(map(num_bytes, kept))
    print(f"{did} {len(going)} caches, {format_bytes(freed)}; {len(kept)} stay, {format_bytes(left)}")


def clear(argv: list[str], summary: str) -> None:
    from ..states.folder import clear as clear_folder
    from ..system.disk import format_bytes

    folders, total = _caches(*_parser("clear", summary).parse(argv)), 0
    for folder in folders:
        with user_errors():  # a folder that is somebody else's
            freed = clear_folder(folder)
        total += freed
        print(f"deleted {folder}, {format_bytes(freed)}")
    print(f"{len(folders)} caches deleted, {format_bytes(total)} freed")


def _progress(folder: Path, manifest: Any) -> str:
    from ..states.folder import finished_shards

    done, shards = finished_shards(folder, manifest), len(manifest.shards)
    state = "complete" if done == shards else "interrupted: the same command goes on"
    return f"{done} of {shards} shards ({state})"


def _moment(seconds: float) -> str:
    """Return a time of the past as a date, and how long ago it was."""
    days = int((time.time() - seconds) // 86400)
    ago = "less than a day ago" if days < 1 else f"{days:,} day{'s' if days > 1 else ''} ago"
    return f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(seconds))} ({ago})"


def _parser(action: str, summary: str, *options: Any) -> CommandParser:
    """Return the parser of an action on caches that are there."""
    from ..states.cache import DEFAULT_ROOT

    parser = CommandParser(*options, prog=f"glot-hf cache {action}", description=summary)
    parser.add_argument("folder", nargs="?", help=f"a cache, or a folder that holds caches; default: {DEFAULT_ROOT}")
    parser.add_argument("--cache_dir", "--cache-dir", help="the same folder, as `glot-hf train` is given it")
    return parser


def _caches(rest: Any) -> list[Path]:
    """
    Return the caches that are asked for.

    Raises:
        InputError: a folder was named that neither is a cache nor holds one, or that cannot be read.
    """
    from ..states.cache import DEFAULT_ROOT
    from ..states.folder import find_caches

    if None not in (rest.folder, rest.cache_dir):
        raise InputError(f"{rest.folder!r} and --cache_dir {rest.cache_dir!r} are two folders: name one")
    folder = rest.cache_dir if rest.folder is None else rest.folder
    if folder is None and not DEFAULT_ROOT.is_dir():
        return []
    with user_errors():
        found = find_caches(DEFAULT_ROOT if folder is None else Path(folder))
    if folder is not None and not found:
        raise InputError(f"{folder!r} neither is nor holds a cache of hidden states: check the path")
    return found
