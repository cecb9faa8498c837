# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Subwords joined to words, the same for every tokenizer: by their places in the text."""

import unicodedata
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase


class Words(NamedTuple):
    """The tokens of a text, and the words that they make."""

    words: list[str]
    offsets: list[tuple[int, int] | None]
    subwords: list[str]
    word_of: list[int]

    def sum(self, numbers: Tensor) -> Tensor:
        """Sum numbers of tokens `(L, ...)` over the tokens of each word. -> `(n, ...)`."""
        summed = numbers.new_zeros(len(self.words), *numbers.shape[1:])
        return summed.index_add_(0, torch.tensor(self.word_of, dtype=torch.long), numbers)


def words_of(text: str, ids: list[int], tokenizer: PreTrainedTokenizerBase, places: list[tuple[int, int]]) -> Words:
    """
    Join tokens that continue a word: without a space between them, letters or digits on both sides. A sign of a script
    without spaces, as Chinese, is a word of its own.

    Args:
        ids (`list[int]`): the tokens.
        places (`list[tuple[int, int]]`): where each begins and ends in the text; equal numbers where it has no place.
    """
    subwords = list(tokenizer.convert_ids_to_tokens(ids))
    offsets: list[tuple[int, int] | None] = []
    word_of = []
    for start, stop in places:
        while start < stop and text[start].isspace():  # many tokenizers count the space before a word in
            start += 1
        if start == stop:
            offsets.append(None)
        elif offsets and offsets[-1] is not None and _continues(text, offsets[-1], start):
            offsets[-1] = (offsets[-1][0], max(stop, offsets[-1][1]))
        else:
            offsets.append((start, stop))
        word_of.append(len(offsets) - 1)
    words = [text[slice(*place)] if place else "" for place in offsets]
    for token, word in enumerate(word_of):
        if offsets[word] is None:
            words[word] += subwords[token]
    return Words(words, offsets, subwords, word_of)


def _continues(text: str, last: tuple[int, int], start: int) -> bool:
    if start < last[1]:  # two tokens of one sign, such as bytes of an emoji
        return True
    before, after = text[last[1] - 1], text[start]
    return start == last[1] and all(map(_is_of_a_word, (before, after)))


def _is_of_a_word(sign: str) -> bool:
    if unicodedata.east_asian_width(sign) in ("W", "F"):
        return False
    return sign.isalnum() or sign == "_" or unicodedata.category(sign).startswith("M")  # M: accents and vowel signs
