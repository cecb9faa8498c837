# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What vectors are of: the rows of text themselves, whatever files hold them, and however those are written."""

import hashlib
import json
from collections.abc import Iterator

from .text_files import TextFiles, TextRow


_ROWS_AT_ONCE = 1024  # the hash depends on it


class TextHash:
    """A hash of ids and texts in their order, made while they are read."""

    def __init__(self, texts: TextFiles):
        self._texts, self._found = texts, hashlib.sha256()

    def __iter__(self) -> Iterator[list[TextRow]]:
        """Yield all rows, some at a time."""
        for rows in self._texts.chunks(_ROWS_AT_ONCE):
            self._found.update(json.dumps(rows).encode())
            yield rows

    def hexdigest(self) -> str:
        """Return the hash of the rows that were read."""
        return self._found.hexdigest()
