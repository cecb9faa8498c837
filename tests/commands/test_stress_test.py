import json

import pytest

from glot_hf.commands.main import main


@pytest.fixture
def stress_test(minilm_path, tmp_path, monkeypatch):
    """Runs a small `glot-hf stress-test` in a folder of its own, with what is asked for beside."""
    monkeypatch.chdir(tmp_path)

    def run(*options):
        small = (
            "--ratios",
            "0.5",
            "--train_size",
            "50",
            "--test_size",
            "20",
            "--learning_rates",
            "1e-3",
            "--steps",
            "2",
        )
        return main(["stress-test", "--backbone", minilm_path, *small, "--seeds", "0", *options])

    return run


def test_options_of_the_head_reach_it(stress_test, tmp_path, capsys):
    assert stress_test("--poolings", "glot", "--num_gnn_layers", "1", "--gnn_hidden_size", "8", "--tau", "0.3") == 0
    results = json.loads((tmp_path / "stress_test_output" / "results.json").read_text())
    options = results["settings"]["head_options"]
    assert (options["num_gnn_layers"], options["gnn_hidden_size"], options["similarity_threshold"]) == (1, 8, 0.3)
    assert f"| glot | {results['runs'][0]['head_parameters']:,} |" in capsys.readouterr().out
    assert results["runs"][0]["head_parameters"] < 100_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--generator", "official"), "--generator 'official' is not one of released, paper, matched"),
        (("--ratios", "0.5", "1.0"), "ratio 1.0 is not in [0, 1)"),
        (("--ratios", "0.5", "0.5"), "--ratios names 0.5 twice"),
        (("--positions", "left"), "--positions 'left' is not one of start, middle, end, random"),
        (("--distance", "9"), "distance 9 is not between 0 and 4"),
        (("--poolings", "average"), "average"),
        (("--seeds", "1", "1"), "--seeds names 1 twice"),
        (("--poolings", "mean", "mean"), "--poolings names mean twice"),
        (("--poolings", "mean:graph-type=self"), "graph_type has no effect there, but on glot"),
        (("--train_size", "10"), "--train_size 10 is too small: give 50 or more"),
        (("--learning_rates", "0"), "--learning_rates 0.0 is not positive"),
        (("--steps", "0"), "--steps 0 is not positive"),
        (("--max_length", "5000"), "--max_length 5000 is not between 3 and 512"),
        (("--output_dir", "a_file"), "--output_dir 'a_file' cannot be written"),
        (("--backbone", "nowhere"), "'nowhere' cannot be loaded"),
        (("--num_train_epochs", "3"), "there is no option '--num_train_epochs'"),
        (("--pooling", "mean"), "there is no option '--pooling': did you mean --poolings?"),
        (("--gnn_hidden_size", "0"), "must be a positive integer, at most 65,536, got 0"),
        (("--ratio", "0.5"), "there is no option '--ratio': did you mean --ratios?"),
    ],
)
def test_mistakes(stress_test, tmp_path, error_line, options, message):
    (tmp_path / "a_file").write_text("")
    assert message in error_line(stress_test(*options))
    assert not (tmp_path / "stress_test_output").exists()


def test_resuming_with_other_settings(stress_test, error_line):
    assert stress_test("--poolings", "mean") == 0
    assert "another head_options" in error_line(stress_test("--poolings", "mean", "--gnn_hidden_size", "8"))


def test_without_a_backbone(error_line):
    assert "--backbone is missing" in error_line(main(["stress-test"]))
