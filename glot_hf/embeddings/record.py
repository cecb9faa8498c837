# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a file of vectors is of: a JSON file beside it, written before the first vector, completed after the last."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..model.options_glot import require_recordable
from ..system.atomic_files import write_atomically
from ..system.errors import InputError
from .text_files import TextFiles, TextRow
from .text_hash import TextHash


# What a record says of the model: whoever wrote the file, nothing else of it is passed on to what loads a model.
_ENCODER = ("model", "backbone", "backbone_revision", "backbone_load_kwargs", "pooling", "max_length")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


@dataclass(frozen=True)
class EmbeddingRecord:
    """
    Args:
        key (`dict`): everything that changes the vectors; a run that goes on has to have the same.
        encoder (`dict`): how the model was asked for, so that a query is encoded alike. Its `backbone_load_kwargs`,
            which are JSON, hold [`RECORDED_BACKBONE_KWARGS`] alone.
        files (`dict`): of [`TextFiles`], by absolute paths.
        file_sizes (`list[int]`): of these files, in bytes.
        vectors (`str`, *optional*): hash of the file of vectors, once it is there; records before version 3 have none.
    """

    key: dict[str, Any]
    encoder: dict[str, Any]
    files: dict[str, Any]
    file_sizes: list[int]
    vectors: str | None = None

    @staticmethod
    def path_of(vectors: Path) -> Path:
        """`vectors.npy` -> `vectors.npy.json`."""
        return vectors.with_name(f"{vectors.name}.json")

    @classmethod
    def read(cls, vectors: Path) -> "EmbeddingRecord":
        """
        Raises:
            InputError: there is none beside these vectors, it is damaged, or names more than a record may: says what.
        """
        path = cls.path_of(vectors)
        if not path.is_file():
            raise InputError(f"{str(vectors)!r} was not written by `glot-hf embed`: there is no {path.name} beside it")
        try:
            record = cls(**json.loads(path.read_text(encoding="utf-8")))
            record._require_safe()
            return record
        except (AttributeError, RecursionError, TypeError, ValueError) as error:
            raise InputError(
                f"{str(path)!r} is damaged ({error}): delete it and the vectors, and embed again"
            ) from error

    def _require_safe(self) -> None:
        """
        Raises:
            ValueError: a field is missing or of another kind, or names more than a record may.
        """
        if not all(isinstance(part, dict) for part in (self.key, self.encoder, self.files)):
            raise ValueError("key, encoder and files are not all mappings")
        for part, known in ((self.encoder, _ENCODER), (self.files, [each.name for each in fields(TextFiles)])):
            if unknown := sorted(set(part) - set(known)):
                raise ValueError(f"it has unknown fields, {unknown}")
        for part, name, is_right in (
            (self.key, "texts", _is_text),
            (self.key, "truncate_dim", _is_number),
            *((self.encoder, name, _is_number if name == "max_length" else _is_text) for name in _ENCODER),
            (self.files, "paths", lambda value: isinstance(value, list) and all(map(_is_text, value))),
            *((self.files, name, _is_text) for name in ("text_column", "text_template", "id_column")),
        ):
            if name in part and part[name] is not None and not is_right(part[name]):
                raise ValueError(f"{name} is {part[name]!r:.60}")
        if None in (self.key.get("texts"), self.key.get("weights"), self.files.get("paths")):
            raise ValueError("it does not say of which texts and weights it is")
        if not isinstance(self.vectors, str | None):
            raise ValueError(f"vectors is {self.vectors!r:.60}")
        sizes = self.file_sizes
        if not isinstance(sizes, list) or len(sizes) != len(self.files["paths"]) or not all(map(_is_number, sizes)):
            raise ValueError(f"file_sizes is {sizes!r:.60}")
        require_recordable(json.loads(self.encoder.get("backbone_load_kwargs") or "{}"))

    def write(self, vectors: Path) -> None:
        stored = json.dumps(asdict(self), indent=2) + "\n"
        write_atomically(self.path_of(vectors), lambda part: part.write_text(stored, encoding="utf-8"))

    def read_rows(self, numbers: set[int]) -> dict[int, TextRow]:
        """
        Return rows of the files that the vectors were made of, by their number. Reads all, as a row is known to be
        the one that was embedded only where all are.

        Raises:
            InputError: the files are gone, or hold other rows than they did.
        """
        texts = TextFiles(**self.files)
        for path, size in zip(texts.paths, self.file_sizes):
            if Path(path).stat().st_size != size:
                raise InputError(f"{path!r} has changed since its vectors were made")
        found, start, hashed = {}, 0, TextHash(texts)
        for rows in hashed:
            found |= {number: rows[number - start] for number in numbers if start <= number < start + len(rows)}
            start += len(rows)
        if hashed.hexdigest() != self.key["texts"]:
            raise InputError(f"what {texts.paths} hold has changed since its vectors were made")
        return found
