# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Rows of several texts: a query, its positive and its hard negatives; or a pair and its score."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset as Table
from sklearn.model_selection import GroupShuffleSplit
from torch import Tensor
from torch.utils.data import Dataset

from ..states.cache import HiddenStateCache
from ..system.errors import InputError
from .examples import warn_of_blanks


@dataclass(frozen=True)
class TextGroups:
    """
    Args:
        groups (`list[list[str]]`): all of one length: `[query, positive, *negatives]`, or the two texts of a pair.
        scores (`list[float]`, *optional*): of pairs.
        rows (`list[int]`, *optional*): the row of the user's file that each is of, counted from 1.
    """

    groups: list[list[str]]
    scores: list[float] | None = None
    rows: list[int] | None = None

    def __len__(self) -> int:
        return len(self.groups)

    def select(self, indices: Iterable[int]) -> "TextGroups":
        indices = list(indices)
        scores = None if self.scores is None else [self.scores[index] for index in indices]
        rows = None if self.rows is None else [self.rows[index] for index in indices]
        return TextGroups([self.groups[index] for index in indices], scores, rows)

    def hold_out(self, share: float, seed: int) -> tuple[list[int], list[int]]:
        """
        Divide the rows at random into two parts, the second of about this share. A query is in one of them, whatever
        the number of its rows: it would be known otherwise when it is judged.

        Raises:
            InputError: there is one query only.
        """
        queries = [query for query, *_ in self.groups]
        if len(set(queries)) < 2:
            raise InputError("there is one query only, so none can be held out: name a --validation_file")
        split = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed).split(queries, groups=queries)
        return tuple(part.tolist() for part in next(split))

    def longest_first(self) -> "TextGroups":
        """Return the rows by length, for evaluation: little is padded, and too little memory shows at once."""
        lengths = [sum(map(len, group)) for group in self.groups]
        return self.select(sorted(range(len(self)), key=lambda index: -lengths[index]))


def read_groups(
    table: Table, query: str, positive: str, negative: str | None, num_negatives: int, where: str
) -> TextGroups:
    """
    Return a group for each query and positive, with the first hard negatives of the row.

    Args:
        table (`datasets.Dataset`)
        query, positive, negative (`str`): columns of texts; of positives and negatives also of lists of texts, and
            negatives may be absent (no text, None or an empty list).
        num_negatives (`int`): at most so many are used. Rows with fewer than others repeat their positive.
        where (`str`): names the table in messages.

    Raises:
        InputError: a cell is not text, or there is no positive; names its row, counted from 1.
    """
    groups, numbers, blanks = [], [], {query: [], positive: []}
    negatives = table[negative][:] if negative is not None else [None] * len(table)
    for row, (text, positives, others) in enumerate(zip(table[query][:], table[positive][:], negatives), start=1):
        place = f"{where}, row {row}"
        positives = positives if isinstance(positives, list) else [positives]
        others = others if isinstance(others, list) else [others] if others else []
        for column, texts in ((query, [text]), (positive, positives), (negative, others)):
            for each in texts:
                if not isinstance(each, str):
                    raise InputError(f"{place}: {column!r} holds {each!r}, which is not text")
                if column in blanks and not each.strip():
                    blanks[column].append(row)
        if not positives:
            raise InputError(f"{place}: {positive!r} is empty: a query needs a positive")
        groups += [[text, each, *others[:num_negatives]] for each in positives]
        numbers += [row] * len(positives)
    for column, rows in blanks.items():
        warn_of_blanks(rows, column, where)
    longest = max(map(len, groups))
    return TextGroups([group + [group[1]] * (longest - len(group)) for group in groups], rows=numbers)


def distinct_texts(splits: Iterable[TextGroups]) -> list[str]:
    """Return the distinct texts, sorted; a text's number is its place."""
    return sorted({text for split in splits for group in split.groups for text in group})


class GroupDataset(Dataset):
    """
    A map-style dataset of `{"texts": [row, ...], "text_ids": (k,), ["labels"]}`, with a row of `encoded` a text.

    Args:
        groups ([`TextGroups`])
        texts (`list[str]`): all that occur, as [`distinct_texts`] gives them.
        encoded (`Sequence`): the row of each text: tokens, or hidden states such as of a
            [`~glot_hf.data.HiddenStateCache`].
    """

    def __init__(self, groups: TextGroups, texts: list[str], encoded: Any):
        numbers = {text: number for number, text in enumerate(texts)}
        self.encoded, self.scores = encoded, groups.scores
        self.text_ids = torch.tensor([[numbers[text] for text in group] for group in groups.groups])  # (N, k)

    def __len__(self) -> int:
        return len(self.text_ids)

    @property
    def lengths(self) -> list[int]:
        """The number of tokens of each row, of its texts together: to make batches of rows of similar length."""
        if isinstance(self.encoded, HiddenStateCache):
            lengths = self.encoded.lengths
        else:
            lengths = [len(next(iter(row.values()))) for row in self.encoded]
        return torch.tensor(lengths)[self.text_ids].sum(dim=1).tolist()

    def __getitem__(self, index: int) -> dict[str, Any]:
        ids = self.text_ids[index]
        row = {"texts": [self.encoded[number] for number in ids.tolist()], "text_ids": ids}
        if self.scores is not None:
            row["labels"] = self.scores[index]
        return row


class GroupCollator:
    """
    Rows of a [`GroupDataset`] -> the batch of their `B * k` texts as `collator` makes it, with `text_ids` `(B, k)`,
    and `labels` `(B,)` where there are scores.

    Args:
        collator: of the rows of single texts.
    """

    def __init__(self, collator: Callable[[list[dict[str, Any]]], dict[str, Tensor]]):
        self.collator = collator

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        batch = dict(self.collator([text for row in rows for text in row["texts"]]))
        batch["text_ids"] = torch.stack([row["text_ids"] for row in rows])
        if "labels" in rows[0]:
            batch["labels"] = torch.tensor([row["labels"] for row in rows])
        return batch
