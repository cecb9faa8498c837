"""Subwords joined to words, whatever the tokenizer and the script."""

import pytest
import torch

from glot_hf.explanations.words import Words, words_of


TEXTS = [
    "Unbelievably fine, isn't it?",
    "Größe zählt",
    "我喜欢这部电影",
    "שלום עולם",
    "naïve 👍🏽 co-op snake_case",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_words_cover_the_text(minilm_tokenizer, text):
    found = minilm_tokenizer(text, return_offsets_mapping=True)
    words = words_of(text, found["input_ids"], minilm_tokenizer, found["offset_mapping"])
    assert words.words[0] == "[CLS]" and words.words[-1] == "[SEP]" and words.offsets[0] is None
    places = [place for place in words.offsets if place]
    assert all(text[slice(*place)] == word for place, word in zip(words.offsets, words.words) if place)
    assert places == sorted(places) and "".join(text[slice(*place)] for place in places) == "".join(text.split())
    assert len(words.word_of) == len(words.subwords) == len(found["input_ids"])
    assert words.sum(torch.ones(len(words.subwords))).sum() == len(words.subwords)


def test_what_is_one_word(minilm_tokenizer):
    def of(text):
        found = minilm_tokenizer(text, return_offsets_mapping=True)
        return words_of(text, found["input_ids"], minilm_tokenizer, found["offset_mapping"]).words[1:-1]

    assert of("Unbelievably fine, isn't it?") == ["Unbelievably", "fine", ",", "isn", "'", "t", "it", "?"]
    assert of("我喜欢") == ["我", "喜", "欢"]
    assert of("שלום עולם") == ["שלום", "עולם"]


def test_places_that_count_the_space_in():
    """As byte-level tokenizers do."""

    class Tokenizer:
        def convert_ids_to_tokens(self, ids):
            return [f"t{number}" for number in ids]

    words = words_of("ab cd 👍", [0, 1, 2, 3, 4], Tokenizer(), [(0, 2), (2, 4), (4, 5), (5, 7), (6, 7)])
    assert words == Words(
        ["ab", "cd", "👍"], [(0, 2), (3, 5), (6, 7)], ["t0", "t1", "t2", "t3", "t4"], [0, 1, 1, 2, 2]
    )
