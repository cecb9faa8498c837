"""`--config run.yaml`: options from a file, and the file that says how a head was trained."""

from pathlib import Path

import pytest
import yaml

from glot_hf.options.config import with_config, write_config
from glot_hf.system.errors import InputError


@pytest.fixture
def config(tmp_path):
    def write(text):
        (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
        return ["--config", str(tmp_path / "run.yaml")]

    return write


def test_a_file_stands_for_what_could_be_typed(config):
    text = "seed: 3\nlearning-rate: 1e-3\nbackbone_layers: [3, -1]\ncache: false\nmax_length: null\nlabel_column: no\n"
    argv = with_config(["--output_dir", "out", *config(text + "class_weight: {no: 2}\ntrain_file: 2026-11-27\n")])
    assert argv == [
        "--output_dir",
        "out",
        "--seed=3",
        "--learning_rate=1e-3",
        "--backbone_layers",
        "3",
        "-1",
        "--cache=false",
        "--label_column=no",
        '--class_weight={"no": 2}',
        "--train_file=2026-11-27",
    ]


def test_what_is_typed_goes_before_the_file(config):
    assert with_config(["--seed", "4", *config("seed: 3\nthreshold: none\n")]) == ["--seed", "4", "--threshold=none"]
    assert with_config(["--output-dir=b", f"--config={config('output_dir: a')[1]}"]) == ["--output-dir=b"]
    assert with_config(["--seed", "4"]) == ["--seed", "4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2\n", "the key 'seed' is given twice"),
        ("seed: [1\n", "is not YAML"),
        ("- seed\n", "holds no options by their names"),
        ("1: 2\n", "holds no options by their names"),
        ("", "holds no options by their names"),
        ("config: other.yaml\n", "names another config"),
        ("!!python/object/apply:os.system [ls]\n", "is not YAML"),
        ("a: &a [1, 1]\nb: [*a, *a]\n", r"\*a names another value: write it out"),
        ("a: " + "[" * 3000, "is not YAML: maximum recursion"),
        ("a: " + "9" * 5000, "is not YAML: Exceeds the limit"),
    ],
)
def test_a_file_that_holds_no_options_is_refused(config, text, message):
    with pytest.raises(InputError, match=message):
        with_config(config(text))


@pytest.mark.parametrize("argv", [["--config"], ["--config", "--seed"], ["--config", "a", "--config", "b"]])
def test_one_file_is_named(argv):
    with pytest.raises(InputError, match="takes one file"):
        with_config(argv)


def test_a_missing_file_is_named():
    with pytest.raises(InputError, match="'absent.yaml' cannot be read"):
        with_config(["--config", "absent.yaml"])


def test_what_is_written_is_read_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("")
    typed = "--train_file a.csv --output_dir out --learning_rate 1e-3 --backbone_layers 3 -1 --no_cache"
    typed = [*typed.split(), "--label_column=no", "--threshold=0.30", "--hub_token", "secret", "--push_to_hub"]
    write_config(tmp_path, ["glot-hf", "train", *typed], seed=42)
    stored = (tmp_path / "run.yaml").read_text()
    assert "secret" not in stored and "out" not in yaml.safe_load(stored)
    again = with_config(["--output_dir", "other", "--config", "run.yaml"])
    assert sorted(again) == sorted(
        [
            "--output_dir",
            "other",
            f"--train_file={tmp_path / 'a.csv'}",
            "--learning_rate=1e-3",
            "--backbone_layers",
            "3",
            "-1",
            "--no_cache=true",
            "--label_column=no",
            "--threshold=0.30",
            "--seed=42",
        ]
    )


def test_texts_are_written_as_they_were_typed(tmp_path, monkeypatch):
    """Whatever YAML would make of them, and though a file is called as they are."""
    monkeypatch.chdir(tmp_path)
    Path("body").write_text("a file")
    typed = {"text_template": "{title}: {body}", "label_column": "body", "run_note": "a: b: c", "seed": "3"}
    command = ["glot-hf", "train", *(part for name, value in typed.items() for part in (f"--{name}", value))]
    write_config(tmp_path, command)
    read = with_config(["--config", "run.yaml"])
    assert sorted(read) == sorted(f"--{name}={value}" for name, value in typed.items())
