"""`--help` of every command: at once, in groups, with examples that are commands."""

import shlex
import subprocess
import sys
import time

import pytest

from glot_hf.commands import (
    cache,
    convert,
    demo,
    embed,
    evaluate,
    export,
    mteb,
    predict,
    probe,
    publish,
    report,
    reproduce,
    search,
    stress_test,
    train,
    tune,
)
from glot_hf.commands.main import COMMANDS, main


MODULES = {
    "cache build": cache,
    "convert": convert,
    "demo": demo,
    "embed": embed,
    "evaluate": evaluate,
    "export": export,
    "mteb": mteb,
    "predict": predict,
    "probe": probe,
    "publish": publish,
    "report": report,
    "reproduce": reproduce,
    "search": search,
    "stress-test": stress_test,
    "train": train,
    "tune": tune,
}


def help_of(name, capsys, option="--help"):
    with pytest.raises(SystemExit) as exit:
        main([*name.split(), option])
    assert exit.value.code == 0
    return capsys.readouterr().out


def test_every_command_is_here():
    assert {name.split()[0] for name in MODULES} | {"benchmark", "env"} == set(COMMANDS)


@pytest.mark.parametrize("name", MODULES)
def test_common_options_come_first_and_examples_last(name, capsys):
    text = help_of(name, capsys)
    assert text.startswith(f"usage: glot-hf {name}") and text.splitlines()[0].endswith("[options]")
    assert 0 < text.index("common options:") < text.index("examples:")
    assert "-file" not in text.replace("_file", "")  # --train-file is understood, and not shown beside --train_file
    assert text.rstrip().splitlines()[-2:] == [f"  {example}" for example in MODULES[name].parser().examples]


@pytest.mark.parametrize(
    "name, example", [(name, each) for name in MODULES for each in MODULES[name].parser().examples]
)
def test_examples_are_commands(name, example):
    command, *argv = shlex.split(example)
    assert command == "glot-hf" and argv[: len(name.split())] == name.split()
    assert MODULES[name].parser().parse(argv[len(name.split()) :])


@pytest.mark.parametrize("name", ["train", "tune"])
def test_help_has_our_options_and_help_all_those_of_trainer_too(name, capsys):
    shown, everything = help_of(name, capsys), help_of(name, capsys, "--help_all")
    assert "--output_dir" in shown and "--seed" in shown and "--help_all" in shown
    assert "--neftune_noise_alpha" in everything and "--neftune_noise_alpha" not in shown
    assert len(shown.splitlines()) < 250 < len(everything.splitlines())


def test_options_of_the_head_are_a_group(capsys):
    text = help_of("train", capsys)
    head, more = text.index("options of the head:"), text.index("more options:")
    assert head < text.index("  --gnn_type") < more < text.index("  --lora_r")
    assert "--tau" in text and "backbone runs over every text in every epoch" in " ".join(text.split())


@pytest.mark.parametrize("name", ["train", "predict", "stress-test"])
def test_help_imports_no_torch(name):
    command = [sys.executable, "-X", "importtime", "-m", "glot_hf.commands.main", name, "--help"]
    started = time.monotonic()
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert time.monotonic() - started < 30  # 1 s on two idle cores
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert not imported & {"torch", "datasets", "sklearn"} and "glot_hf.options.parser" in imported
