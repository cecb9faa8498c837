"""A tokenizer of single words for the tiny backbones, and texts of many lengths."""

import random

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


WORDS = [f"w{number}" for number in range(90)]


def make_tokenizer(**options):
    vocabulary = {"[PAD]": 0, "[UNK]": 1} | {word: number for number, word in enumerate(WORDS, start=2)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64, **options
    )


def make_texts(count, longest=12):
    generator = random.Random(0)
    return [" ".join(generator.choices(WORDS, k=generator.randint(1, longest))) for _ in range(count)]
