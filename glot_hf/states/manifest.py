# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The manifest of a hidden-state cache: what it is of, and which text is where."""

import json
import shlex
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from ..system.atomic_files import write_atomically
from ..system.errors import InputError
from .key import FORMAT_VERSION, KEYS, digest


FILE_NAME = "manifest.json"


@dataclass(frozen=True)
class Shard:
    """
    Args:
        file (`str`): its name.
        num_texts, num_tokens (`int`): what it holds.
    """

    file: str
    num_texts: int
    num_tokens: int


@dataclass(frozen=True)
class Manifest:
    """
    Written before the first shard, and never changed.

    The texts are divided, the longest first and of equally long ones in their order, into shards one after the other.

    Args:
        key (`dict`): see [`~glot_hf.states.key.make_key`].
        lengths (`list[int]`): tokens of each text, in the order of the sorted texts.
        shards (`list[Shard]`): in the order of their texts.
    """

    key: dict[str, Any]
    lengths: list[int]
    shards: list[Shard]

    @classmethod
    def plan(cls, key: dict[str, Any], lengths: list[int]) -> "Manifest":
        """Plan shards of at most `tokens_per_shard` tokens, unless one text is longer."""
        counts: list[tuple[int, int]] = []  # texts and tokens
        for length in sorted(lengths, reverse=True):
            if not counts or counts[-1][1] + length > key["tokens_per_shard"]:
                counts.append((0, 0))
            texts, tokens = counts[-1]
            counts[-1] = (texts + 1, tokens + length)
        return cls(key, lengths, [Shard(f"{n:05}.safetensors", *count) for n, count in enumerate(counts)])

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """
        Raises:
            InputError: the folder has no manifest, or one that cannot be read, is damaged or of another format.
        """
        path = folder / FILE_NAME
        hint = f"delete it with `glot-hf cache clear {shlex.quote(str(folder))}`, and the states are computed again"
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            version = stored["key"]["format_version"]
            manifest = cls.plan(stored["key"], stored["lengths"]) if version == FORMAT_VERSION else None
        except FileNotFoundError as error:
            raise InputError(f"{str(folder)!r} holds no hidden states: it has no {FILE_NAME}") from error
        except OSError as error:
            raise InputError(f"{str(path)!r} cannot be read: {error}") from error
        except (KeyError, RecursionError, TypeError, ValueError) as error:
            raise InputError(f"{str(path)!r} is damaged ({error}): {hint}") from error
        if manifest is None:
            raise InputError(
                f"{str(folder)!r} is of format {version}, but this glot_hf reads {FORMAT_VERSION}: {hint}"
            )
        if missing := [name for name in KEYS if name not in manifest.key]:
            raise InputError(f"{str(path)!r} is damaged (its key has no {missing[0]}): {hint}")
        if manifest._stored != stored:
            raise InputError(f"{str(path)!r} is damaged (its numbers contradict each other): {hint}")
        return manifest

    def write(self, folder: Path) -> None:
        stored = json.dumps(self._stored)
        write_atomically(folder / FILE_NAME, lambda part: part.write_text(stored + "\n", encoding="utf-8"))

    @property
    def _stored(self) -> dict[str, Any]:
        # asdict(self) would copy the lengths one by one
        shards = [asdict(shard) for shard in self.shards]
        return {"digest": self.digest, "key": self.key, "lengths": self.lengths, "shards": shards}

    @property
    def digest(self) -> str:
        return digest(self.key)

    @property
    def num_tokens(self) -> int:
        return sum(self.lengths)

    @property
    def texts(self) -> list[list[int]]:
        """The texts of each shard, as positions in the sorted texts."""
        order = sorted(range(len(self.lengths)), key=self.lengths.__getitem__, reverse=True)  # stable
        ends = list(accumulate(shard.num_texts for shard in self.shards))
        return [order[end - shard.num_texts : end] for shard, end in zip(self.shards, ends)]
