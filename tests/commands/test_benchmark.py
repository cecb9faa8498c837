import sys

import pytest

from glot_hf.commands.benchmark import BENCHMARKS
from glot_hf.commands.main import main


def test_help_lists_the_benchmarks(capsys):
    assert main(["benchmark", "--help"]) == 0
    output = capsys.readouterr().out
    assert all(f"  {name}" in output for name in BENCHMARKS)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["heads"], "the benchmarks are head, finetune, long, cache, embed"),
        (["head", "--repeats", "0"], "--repeats 0 is not positive"),
        (["head", "--device", "tpu"], "--device 'tpu' is not one of cpu"),
        (["head", "--released_repo", "nowhere"], "holds no main.py"),
        (["head", "--leng", "5"], "did you mean --length"),
        (["long", "--lengths", "64", "0"], "--lengths [64, 0] is not positive"),
        (["finetune", "--backbone", "nowhere"], "--backbone 'nowhere' cannot be loaded"),
        (["finetune", "--length", "513"], "--length 513 is more than 512 tokens, which the backbone can take"),
        (["cache"], "--backbone is missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line(files, error_line, argv, message):
    assert message in error_line(main(["benchmark", *argv]))


def test_a_missing_extra_is_named(files, error_line, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    line = error_line(main(["benchmark", "embed"]))
    assert line.endswith('this needs sentence_transformers: run `pip install "glot-hf[benchmark]"`')


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data_dir", "glue"), "name the texts: either --train_file or --task"),
        (("--max_length", "0"), "--max_length 0 is not between 3 and 512"),
        (("--task", "cola", "--max_train_rows", "0"), "--max_train_rows 0 is not positive"),
    ],
)
def test_mistakes_of_cache(files, error_line, minilm_path, options, message):
    assert message in error_line(main(["benchmark", "cache", "--backbone", minilm_path, *options]))


def test_mistakes_of_embed(files, error_line, minilm_path):
    pytest.importorskip("sentence_transformers")
    assert "--backbone is missing" in error_line(main(["benchmark", "embed"]))
    line = error_line(main(["benchmark", "embed", "--backbone", minilm_path, "--texts", "nowhere.txt"]))
    assert "--texts 'nowhere.txt' cannot be read" in line
