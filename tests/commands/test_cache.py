"""`glot-hf cache`, and what the cache does to `train`."""

import errno
import json
import os
import re
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from glot_hf.commands.main import main
from glot_hf.loading.backbone import load_backbone_and_tokenizer
from glot_hf.model.backbone_forward_glot import run_backbone
from glot_hf.states.cache import HiddenStateCache
from glot_hf.system.atomic_files import marked_as_written
from glot_hf.training.trainer import HeadTrainer


FILM_TEXTS = ("--train_file", "films.csv", "--text_column", "review", "--label_column", "mood")
PAIR_TEXTS = ("--train_file", "pairs.csv", "--text_column", "a", "--text_pair_column", "b")
CACHE = ("--cache_dir", "states")
FILMS, PAIRS = (*FILM_TEXTS, *CACHE), (*PAIR_TEXTS, *CACHE)


@pytest.fixture
def build(files, minilm_path):
    return lambda *options: main(["cache", "build", "--backbone", minilm_path, *(options or FILMS)])


@pytest.fixture
def backbone_runs(monkeypatch):
    """The number of texts in every run of a backbone: to fill a cache, or to answer live."""
    runs = {"cache": [], "live": []}
    for module, kind in (("glot_hf.states.running", "cache"), ("glot_hf.model.modeling_glot", "live")):
        monkeypatch.setattr(
            f"{module}.run_backbone",
            lambda backbone, inputs, *rest, kind=kind, **more: (
                runs[kind].append(len(inputs["input_ids"])) or run_backbone(backbone, inputs, *rest, **more)
            ),
        )
    return runs


def results(folder="head"):
    with open(f"{folder}/all_results.json") as file:
        return json.load(file)


def _manifest(folder):
    return (folder / "manifest.json").read_text()


def the_cache(files):
    (folder,) = (files / "states").iterdir()
    return folder


@pytest.mark.usefixtures("files")
class TestTraining:
    def test_the_backbone_runs_once_over_each_text(self, files, train, backbone_runs, capsys):
        assert train(*FILMS, "--max_steps", "20") == 0
        assert sum(backbone_runs["cache"]) == 40 and sum(backbone_runs["live"]) == 0  # the cache loses nothing
        line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("hidden states"))
        assert "40 distinct texts" in line and "kB in float32" in line and str(the_cache(files).name) in line
        assert train(*FILMS, "--overwrite_output_dir", "--seed", "7") == 0
        assert sum(backbone_runs["cache"]) == 40  # other rows are held out, of the same texts

    def test_caches_that_grow_large_are_mentioned(self, train, build, monkeypatch, capsys):
        notice = re.compile("^the 1 caches in states take .*B together: `glot-hf cache prune", flags=re.MULTILINE)
        assert train(*FILMS) == 0 and not notice.search(capsys.readouterr().out)
        monkeypatch.setattr("glot_hf.states.housekeeping.MUCH", 1_000)
        for command in (lambda: train(*FILMS, "--overwrite_output_dir"), build):
            assert command() == 0 and len(notice.findall(capsys.readouterr().out)) == 1

    @pytest.mark.parametrize(
        "option", [("--cache_dir", "states"), ("--cache_dtype", "float16"), ("--tokens-per-batch=64",)]
    )
    def test_options_of_a_cache_that_there_is_not(self, train, error_line, option):
        line = error_line(train(*FILM_TEXTS, "--no_cache", *option))
        assert "is about the cache, and --no_cache goes without: leave one of them out" in line

    @pytest.mark.parametrize("data", [FILM_TEXTS, PAIR_TEXTS])
    def test_it_ends_with_the_head_of_a_run_without(self, files, train, data, backbone_runs, monkeypatch):
        train(*data, *CACHE, "--output_dir", "cached", "--max_steps", "5")
        monkeypatch.setattr("glot_hf.states.cache.DEFAULT_ROOT", files / "none")
        backbone_runs["cache"].clear()
        train(*data, "--output_dir", "live", "--max_steps", "5", "--no_cache")
        assert not (files / "none").exists() and not backbone_runs["cache"] and backbone_runs["live"]
        cached, live = (load_file(f"{name}/model.safetensors") for name in ("cached", "live"))
        for name in live:
            torch.testing.assert_close(cached[name], live[name], rtol=1e-3, atol=2e-4)
        assert results("cached")["eval_loss"] == pytest.approx(results("live")["eval_loss"], abs=1e-3)
        assert not any(name.startswith("cache_") for name in results("cached"))

    @pytest.mark.parametrize(
        ("data", "measure", "metric"),
        [
            (PAIRS, "cache_changed_labels", "accuracy"),
            (("--train_file", "several.jsonl"), "cache_changed_labels", "f1_micro"),
            (("--train_file", "scores.tsv"), "cache_largest_change", "mse"),
        ],
    )
    def test_what_rounding_changes_is_said(self, train, data, measure, metric, capsys):
        assert train(*data, "--cache_dtype", "float16", "--train_sampling_strategy", "group_by_length") == 0
        found = results()
        assert 0 <= found[measure] < 1 and f"cache_eval_{metric}" in found and f"eval_{metric}" in found
        assert found["cache_eval_loss"] == pytest.approx(found["eval_loss"], abs=1e-2)
        assert "The cache, in float16, gives" in capsys.readouterr().out

    def test_labels_that_change_are_counted_row_by_row(self, train, monkeypatch):
        """Also where batches are grouped by length, which must not shuffle what is compared."""
        get_row = HiddenStateCache.__getitem__

        def spoilt(cache, index):
            row = get_row(cache, index)
            return row | {"hidden_states": -row["hidden_states"] * 0.5} if len(cache) == 4 else row

        monkeypatch.setattr(HiddenStateCache, "__getitem__", spoilt)
        found, predict = [], HeadTrainer.predict
        monkeypatch.setattr(HeadTrainer, "predict", lambda *a, **k: found.append(predict(*a, **k)) or found[-1])
        options = ("--cache_dtype", "bfloat16", "--train_sampling_strategy", "group_by_length")
        assert train(*FILMS, *options, "--max_steps", "20", "--learning_rate", "1e-2") == 0
        live, cached = found
        assert live.label_ids.tolist() == cached.label_ids.tolist()
        changed = (live.predictions.argmax(-1) != cached.predictions.argmax(-1)).sum()
        assert results()["cache_changed_labels"] == changed > 0

    @pytest.mark.parametrize(("data", "strategy"), [(PAIRS, "group_by_length"), (FILMS, "batch_rebalance")])
    def test_batches_of_similar_length(self, train, data, strategy):
        assert train(*data, "--train_sampling_strategy", strategy) == 0

    def test_states_of_several_layers_and_workers(self, train):
        assert train(*FILMS, "--backbone_layers", "1", "-1", "--dataloader_num_workers", "1") == 0


class TestTheCommand:
    def test_build_makes_what_train_reads(self, build, files, train, backbone_runs, capsys):
        assert build() == 0
        assert "hidden states of 40 distinct texts" in capsys.readouterr().out
        assert train(*FILMS) == 0
        assert sum(backbone_runs["cache"]) == 40 and len(list((files / "states").iterdir())) == 1

    def test_the_backbone_goes_where_the_process_belongs(self, minilm_path, monkeypatch):
        """Of several processes on a machine, each to its own accelerator."""
        mine = type("Process", (), {"device": torch.device("meta")})
        monkeypatch.setattr("glot_hf.system.processes.find_processes", lambda: mine)
        model, _, _ = load_backbone_and_tokenizer(minilm_path, None, {})
        assert model.device == mine.device

    def test_info(self, build, files, capsys):
        assert build() == build(*FILMS, "--cache_dtype", "float16", "--backbone_layers", "2") == 0
        capsys.readouterr()
        assert main(["cache", "info", "states"]) == 0
        output = capsys.readouterr().out
        assert "layers -1, in float32, texts cut at 128 tokens" in output and "layers 2, in float16" in output
        assert "40 distinct texts" in output and "1 of 1 shards (complete)" in output and "2 caches" in output
        for folder in (files / "states").iterdir():
            (folder / "00000.safetensors").unlink()
        assert main(["cache", "info", "states"]) == 0
        assert "0 of 1 shards (interrupted" in capsys.readouterr().out

    def test_age_and_last_use(self, build, files, train, capsys):
        assert build() == 0
        for path in the_cache(files).iterdir():
            os.utime(path, (1e9, 1e9))
        capsys.readouterr()
        for _ in range(2):  # to look at a cache is not to use it
            assert main(["cache", "info", "states"]) == main(["cache", "verify", "states"]) == 0
        old = r"2001-09-09 \d\d:46 \(\d,\d{3} days ago\)"
        assert len(re.findall(f"used      last on {old}, begun on {old}", capsys.readouterr().out)) == 2
        assert train(*FILMS) == main(["cache", "info", "states"]) == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if "used  " in line)
        assert re.search(rf"last on {time.strftime('%Y')}.*\(less than a day ago\), begun on {old}", line)

    def test_the_folder_as_train_is_given_it(self, build, files, capsys):
        assert build() == 0
        for action, said in (
            ("info", "1 caches"),
            ("verify", "all 1 shards are whole"),
            ("clear", "1 caches deleted"),
        ):
            assert main(["cache", action, *CACHE]) == 0
            assert said in capsys.readouterr().out

    def test_verify(self, build, files, error_line, capsys):
        assert build() == 0
        assert main(["cache", "verify", str(the_cache(files))]) == 0
        assert "all 1 shards are whole" in capsys.readouterr().out
        shard = the_cache(files) / "00000.safetensors"
        content = bytearray(shard.read_bytes())
        content[-1] ^= 128
        shard.write_bytes(content)
        line = error_line(main(["cache", "verify", "states"]))
        assert "damaged or missing: 1, the first" in line and "delete what is damaged" in line
        shard.unlink()
        line = error_line(main(["cache", "verify", "states"]))
        assert "0 of 1 shards (interrupted: the same command goes on)" in line and "delete" not in line
        assert build() == 0 == main(["cache", "verify", "states"])

    def test_clear_deletes_caches_and_nothing_else(self, build, files, error_line, capsys):
        assert build() == 0
        (the_cache(files) / "mine.txt").write_text("kept")
        (files / "other").mkdir()
        (files / "other" / "manifest.json").write_text('{"name": "an extension"}')
        for folder in (files / "other", the_cache(files)):
            save_file({"weight": torch.ones(2)}, folder / "7b.safetensors")
        save_file({"weight": torch.ones(2)}, files / "other" / "00000.safetensors")
        assert "neither is nor holds a cache" in error_line(main(["cache", "clear", "other"]))
        assert main(["cache", "clear", "states"]) == 0
        assert "1 caches deleted" in capsys.readouterr().out
        assert {path.name for path in the_cache(files).iterdir()} == {"mine.txt", "7b.safetensors"}
        assert len(list((files / "other").iterdir())) == 3

    @pytest.fixture
    def aged(self, build, files, capsys):
        """Caches of texts that are cut at 5, 6 and 7 tokens, last used 50, 40 and 30 hours ago; by that length."""
        folders = {}
        for length, hours in ((5, 50), (6, 40), (7, 30)):
            assert build(*FILMS, "--max_length", str(length)) == 0
            folders[length] = next(each for each in (files / "states").iterdir() if each not in folders.values())
            then = time.time() - 3600 * hours
            for path in folders[length].iterdir():
                os.utime(path, (then, then))
        (files / "states" / "notes").mkdir()
        (files / "states" / "notes" / "manifest.json").write_text("{}")
        capsys.readouterr()
        return folders

    @pytest.mark.parametrize(
        ("options", "gone"),
        [
            (("--older_than", "1.5d"), {5, 6}),
            (("--older_than", "45h"), {5}),
            (("--older_than", "1w"), set()),
            (("--max_size", "1kB"), {5, 6, 7}),
            (("--max_size", "1GB"), set()),
            (("--older_than", "45h", "--max_size", "0kB"), {5, 6, 7}),
        ],
    )
    def test_prune(self, aged, files, capsys, options, gone):
        everything = sorted(files.rglob("*"))
        assert main(["cache", "prune", "states", *options, "--dry_run"]) == 0
        would = capsys.readouterr().out
        assert everything == sorted(files.rglob("*"))
        assert main(["cache", "prune", "--cache_dir", "states", *options]) == 0
        output = capsys.readouterr().out
        assert output == would.replace("would delete", "deleted")
        assert {length for length, folder in aged.items() if not folder.exists()} == gone
        assert re.findall(r"deleted states/(\w+),", output) == [aged[length].name for length in sorted(gone)]
        assert f"deleted {len(gone)} caches" in output and f"{3 - len(gone)} stay" in output
        assert (files / "states" / "notes" / "manifest.json").read_text() == "{}"

    def test_the_most_recently_used_ones_stay(self, aged, files):
        size = sum(path.stat().st_size for length in (6, 7) for path in aged[length].iterdir())
        assert main(["cache", "prune", "states", "--max_size", f"{size / 1000}kB"]) == 0
        assert not aged[5].exists() and aged[6].exists() and aged[7].exists()

    def test_a_cache_that_is_being_built_stays(self, aged, files, capsys):
        elsewhere = aged[6] / ".writing.another-machine.1.part"
        elsewhere.mkdir()
        with marked_as_written(aged[5]):
            assert main(["cache", "prune", "states", "--max_size", "0kB"]) == 0
            output = capsys.readouterr().out
            assert f"left states/{aged[5].name} alone, which is being built" in output
            assert aged[5].exists() and aged[6].exists() and not aged[7].exists()
        elsewhere.rmdir()
        assert main(["cache", "prune", "states", "--max_size", "0kB"]) == 0
        assert not aged[5].exists() and not aged[6].exists()

    @pytest.mark.parametrize("damage", ["cut off", "empty", "missing", "of an extension"])
    def test_a_damaged_manifest_does_not_hide_its_cache(self, build, files, error_line, capsys, damage):
        assert build() == 0 == build(*FILMS, "--max_length", "5")
        damaged = next(folder for folder in (files / "states").iterdir() if '"max_length": 5' in _manifest(folder))
        manifest = damaged / "manifest.json"
        if damage == "missing":
            manifest.unlink()
        else:
            contents = {"cut off": _manifest(damaged)[:-9], "empty": "", "of an extension": '{"name": "an extension"}'}
            manifest.write_text(contents[damage])
        wrong = {"missing": "it has no manifest.json"}.get(damage, "is damaged (")
        capsys.readouterr()
        assert main(["cache", "info", "states"]) == 0
        output = capsys.readouterr().out
        assert wrong in output and "2 caches" in output and "texts cut at 128 tokens" in output
        assert main(["cache", "verify", "states"]) == 2
        found = capsys.readouterr()
        assert wrong in found.out and "all 1 shards are whole" in found.out and "damaged or missing: 1" in found.err
        assert main(["cache", "clear", str(damaged)]) == 0
        assert not damaged.exists() and len(list((files / "states").iterdir())) == 1

    def test_a_manifest_that_was_cut_off_before_the_first_shard(self, build, files, capsys):
        assert build() == 0
        folder = the_cache(files)
        (folder / "manifest.json").write_text(_manifest(folder)[:200])
        (folder / "00000.safetensors").unlink()
        assert main(["cache", "info", "states"]) == 0 and "1 caches" in capsys.readouterr().out
        assert main(["cache", "clear", "states"]) == 0 and not folder.exists()

    @pytest.mark.parametrize("action", ["info", "clear"])
    def test_of_somebody_else(self, build, files, error_line, monkeypatch, action):
        assert build() == 0

        def refuse(path, **options):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(Path, {"info": "iterdir", "clear": "unlink"}[action], refuse)
        assert "Permission denied: 'states" in error_line(main(["cache", action, "states"]))

    def test_of_an_older_format(self, build, files, capsys):
        assert build() == 0
        manifest = the_cache(files) / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"format_version": 1', '"format_version": 0'))
        assert main(["cache", "info", "states"]) == 0
        assert "is of format 0" in capsys.readouterr().out
        assert build(*FILMS, "--max_length", "5") == 0
        capsys.readouterr()
        assert main(["cache", "verify", "states"]) == 2
        out = capsys.readouterr().out
        assert "is of format 0" in out and "all 1 shards are whole" in out
        assert main(["cache", "clear", "states"]) == 0 and not list((files / "states").iterdir())

    def test_the_default_folder_may_not_be_there_yet(self, monkeypatch, tmp_path, capsys):
        monkeypatch.setattr("glot_hf.states.cache.DEFAULT_ROOT", tmp_path / "none")
        for command in (["info"], ["verify"], ["prune", "--max_size", "1GB"], ["clear"]):
            assert main(["cache", *command]) == 0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("biuld",), "there is no action 'biuld': the actions are build, info, verify, prune, clear"),
            (("info", "nowhere"), "there is no folder 'nowhere'"),
            (("info", "--cache_dir", "nowhere"), "there is no folder 'nowhere'"),
            (("clear", "a", "--cache_dir", "b"), "'a' and --cache_dir 'b' are two folders: name one"),
            (("verify", "."), "'.' neither is nor holds a cache"),
            (("clear", ""), "'' neither is nor holds a cache"),  # such as a variable of the shell that is not set
            (("prune", "."), "say which caches go: --older_than, such as 30d, or --max_size, such as 20GB"),
            (("prune", ".", "--older_than", "30"), "--older_than '30' is no time: give hours, days, weeks or years"),
            (("prune", ".", "--older_than", "3 months"), "--older_than '3 months' is no time"),
            (("prune", ".", "--older_than=-1d"), "--older_than '-1d' is no time"),
            (("prune", ".", "--max_size", "20"), "--max_size '20' is no size: give kB, MB, GB or TB, such as 500MB"),
            (("prune", ".", "--max_size", "5GiB"), "--max_size '5GiB' is no size"),
            (("prune", "nowhere", "--max_size", "5GB"), "there is no folder 'nowhere'"),
            (("prune", ".", "--max_size", "5GB"), "'.' neither is nor holds a cache"),
            (("prune", ".", "--max_sice", "5GB"), "there is no option '--max_sice': did you mean --max_size?"),
            (("build", "--task", "cola"), "--backbone is missing"),
            (("build", "--backbone", "x", "--train_file", "missing.csv"), "there is no file 'missing.csv'"),
            (("build", "--backbone", "x", *FILMS, "--cache_dtype", "int8"), "invalid choice: 'int8'"),
            (("build", "--backbone", "x", *FILMS, "--learning_rate", "1"), "there is no option '--learning_rate'"),
        ],
    )
    def test_mistakes(self, files, error_line, options, message):
        assert message in error_line(main(["cache", *options]))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--tokens_per_batch", "0"), "tokens_per_batch 0 is not positive"),
            (("--cache_dir", "films.csv"), "no hidden states can be written to 'films.csv"),
            (("--max_length", "5000"), "--max_length 5000 is not between 3 and 512"),
            (("--backbone_layers", "99"), "hidden states 0 (its embeddings) to 6"),
        ],
    )
    def test_mistakes_of_building(self, build, error_line, options, message):
        assert message in error_line(build(*FILMS, *options))


@pytest.mark.parametrize("action", ["build", "info", "verify", "prune", "clear"])
def test_help(action, capsys):
    with pytest.raises(SystemExit) as end:
        main(["cache", action, "--help"])
    output = capsys.readouterr().out
    assert end.value.code == 0 and f"glot-hf cache {action}" in output and "(default: None)" not in output
    assert main(["cache"]) == 0 and action in capsys.readouterr().out
