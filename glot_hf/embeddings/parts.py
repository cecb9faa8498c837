# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The parts of a file that is not whole yet: a folder beside it, with what they are of, until they are joined."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from ..states.key import differences
from ..system.atomic_files import discard_leftovers, write_atomically
from ..system.errors import InputError


class Parts:
    """
    Arrays by their number, in the folder `OUTPUT.parts`.

    Args:
        output (`Path`): the file that they will be joined to.
    """

    def __init__(self, output: Path):
        self.folder = output.with_name(f"{output.name}.parts")
        self._record = self.folder / "parts.json"

    def begin(self, key: dict[str, Any]) -> None:
        """
        Make the folder, or go on with the one that is there.

        Args:
            key (`dict`): everything that changes the arrays, as JSON values.

        Raises:
            InputError: what is there is of something else; says what differs.
        """
        self.require_same(key)
        if self._record.exists():
            discard_leftovers(self.folder)
            return
        shutil.rmtree(self.folder, ignore_errors=True)  # parts of nobody knows what
        self.folder.mkdir()
        write_atomically(self._record, lambda part: part.write_text(json.dumps(key, indent=2), encoding="utf-8"))

    def require_same(self, key: dict[str, Any]) -> None:
        """
        Raises:
            InputError: what was begun differs in something that `key`, all of it or a part, says.
        """
        if not self._record.exists():
            return
        try:
            stored = json.loads(self._record.read_text(encoding="utf-8"))
            different = differences({name: stored.get(name) for name in key}, key)
        except (AttributeError, ValueError) as error:
            different = f"a record that is damaged ({error})"
        if different:
            raise InputError(
                f"{str(self.folder)!r} holds the unfinished work of a run that differs in {different}: repeat that "
                "run's command to continue, or delete the folder to start again"
            )

    def has(self, number: int) -> bool:
        return self._path(number).exists()

    def write(self, number: int, array: np.ndarray) -> None:
        write_atomically(self._path(number), lambda part: np.save(part, array, allow_pickle=False))

    def read(self, number: int) -> np.ndarray:
        return np.load(self._path(number), allow_pickle=False)

    def delete(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08}.npy"
