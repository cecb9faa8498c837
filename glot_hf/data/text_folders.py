# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A table of texts from folders of text files, one folder a class, as IMDb's."""

from pathlib import Path

from datasets import Dataset

from ..system.errors import InputError


def load_text_folders(folder: str, classes: tuple[str, ...]) -> Dataset:
    """
    Read `folder`/CLASS/*.txt as columns `text` and `label`, the name of the class.

    The rows are sorted by the names of the files and then by class, so that the first ones are of every class.

    Raises:
        InputError: the folder of a class is missing or holds no text, or a text is not UTF-8.
    """
    paths = [path for name in classes for path in _text_files(Path(folder, name))]
    paths.sort(key=lambda path: (path.name, path.parent.name))
    return Dataset.from_dict({"text": [_read(path) for path in paths], "label": [path.parent.name for path in paths]})


def _text_files(folder: Path) -> list[Path]:
    paths = list(folder.glob("*.txt"))
    if not paths:
        raise InputError(f"there are no .txt files in {str(folder)!r}: it should hold one for each text of its class")
    return paths


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{str(path)!r} is not UTF-8 text ({error}): save it as UTF-8") from error
