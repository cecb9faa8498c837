# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Results of many small runs, kept one by one, so that a killed series goes on where it stopped."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..system.atomic_files import write_atomically
from ..system.errors import InputError


class CellStore:
    """
    A folder with one JSON file for each finished cell, and the settings that all of them share.

    Args:
        folder (`str` or path): it is made if it does not exist.
        settings (`dict`): JSON values, the same for every cell of the folder.

    Raises:
        InputError: the folder cannot be written, or holds cells of other settings; names the first that differs.
    """

    def __init__(self, folder: str | os.PathLike, settings: dict[str, Any]):
        self.folder = Path(folder, "cells")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--output_dir {os.fspath(folder)!r} cannot be written: {error}") from error
        path = Path(folder, "settings.json")
        if path.is_file():
            stored = json.loads(path.read_text(encoding="utf-8"))
            settings = json.loads(json.dumps(settings))  # tuples are lists there
            for name in sorted(stored.keys() | settings.keys()):
                if stored.get(name) != settings.get(name):
                    raise InputError(
                        f"{os.fspath(folder)!r} holds results with another {name} ({stored.get(name)}, not "
                        f"{settings.get(name)}): name another --output_dir, or use the same settings"
                    )
        else:
            _write(path, settings)

    def get(self, name: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the result of the cell of that name, which `run` computes if it is not there yet."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            result = run()
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, result)
        return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, value: dict[str, Any]) -> None:
    """Write JSON at once: a run may be killed, or another process may write the same cell."""
    content = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda part: part.write_text(content, encoding="utf-8"))
