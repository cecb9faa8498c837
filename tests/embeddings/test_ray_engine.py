"""What Ray Data makes is what one process makes, though an actor dies; and its mistakes are one line."""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from single_words import make_texts, make_tokenizer

from glot_hf import GlotForSequenceClassification
from glot_hf.commands.main import main


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray", reason='pip install "glot-hf[ray]"')
    pytest.importorskip("ray.data", reason='pip install "glot-hf[ray]"')
    ray.init("local", num_cpus=2, object_store_memory=200_000_000, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Texts with and without ids, in the working folder."""
    monkeypatch.chdir(tmp_path)
    texts = make_texts(900, longest=30)
    texts[5] = " "
    Path("a.txt").write_text("\n".join(texts[:500]))
    Path("b.txt").write_text("\n".join(texts[500:]))
    rows = [{"text": text, "key": f"k{number}", "other": number / 7} for number, text in enumerate(texts[:300])]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), "rows.parquet")
    return texts


def read(folder):
    """The rows of a folder of files, in the order of the files' names."""
    paths = sorted(Path(folder).iterdir())
    if folder.endswith(".jsonl"):
        return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for path in paths for row in pyarrow.parquet.ParquetFile(path).read().to_pylist()]


def one_process(head_path, output, *options):
    assert main(["embed", "--model", head_path, "--output", output, "--input", *options]) == 0
    return pyarrow.parquet.read_table(output).to_pylist()


def assert_same_vectors(found, expected):
    assert [(row["id"], row["text"]) for row in found] == [(row["id"], row["text"]) for row in expected]
    vectors, others = (np.array([row["embedding"] for row in rows]) for rows in (found, expected))
    np.testing.assert_allclose(vectors, others, rtol=0, atol=1e-6)


def test_an_actor_that_is_killed_costs_no_row(ray, head_path, files, tmp_path, monkeypatch):
    from glot_hf.embeddings import ray_engine
    from glot_hf.embeddings.job import EmbeddingJob
    from glot_hf.embeddings.text_files import TextFiles
    from glot_hf.loading.encoder import load_encoder
    from glot_hf.options.engine import EngineArguments

    monkeypatch.setattr(ray_engine, "_BYTES_A_BLOCK", 4096)
    died = str(tmp_path / "died")

    def load():  # nested, so that it is sent to workers as it is: they cannot import tests
        class Dies(EmbeddingJob):
            blocks = 0

            def vectors(self, rows, start=None):
                self.blocks += 1
                if self.blocks == 2 and not os.path.exists(died):
                    Path(died).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().vectors(rows, start)

        source = {"backbone": None, "revision": None, "pooling": "mean", "load_kwargs": {}, "max_length": None}
        return Dies(texts, output, lambda: load_encoder(head_path, **source), {})

    texts, output = TextFiles(["a.txt", "b.txt"]), Path("vectors.parquet")
    arguments = EngineArguments(engine="ray", ray_actors=2, keep_order=True)
    assert ray_engine.embed(texts, output, load, arguments) == 900
    assert Path(died).exists()
    assert_same_vectors(read("vectors.parquet"), one_process(head_path, "one.parquet", "a.txt", "b.txt"))
    assert not list(tmp_path.glob("*.parts"))


@pytest.mark.parametrize("source", ["rows.jsonl", "rows.parquet"])
def test_ids_stay_with_their_texts(ray, head_path, files, source):
    options = [source, "--id_column", "key", "--normalize"]
    command = ["embed", "--model", head_path, "--output", "vectors.jsonl", "--engine", "ray", "--input", *options]
    assert main(command) == 0
    found = sorted(read("vectors.jsonl"), key=lambda row: int(row["id"][1:]))
    assert_same_vectors(found, one_process(head_path, "one.parquet", *options))


@pytest.fixture(scope="module")
def classifier(head_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(0)
    options = {"num_labels": 2, "id2label": {0: "bad", 1: "good"}, "label2id": {"bad": 0, "good": 1}}
    backbone = Path(head_path).with_name("backbone")
    model = GlotForSequenceClassification.from_backbone(backbone, gnn_hidden_size=8, readout_hidden_size=8, **options)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("kind", [".parquet", ".jsonl"])
def test_answers_stand_beside_the_columns_of_their_rows(ray, classifier, files, kind):
    command = ["predict", classifier, "--test_file", "rows.parquet", "--text_column", "text", "--output_file"]
    assert main([*command, f"answers{kind}", "--engine", "ray", "--keep_order"]) == 0
    assert main([*command, "one.parquet"]) == 0
    found, expected = read(f"answers{kind}"), pyarrow.parquet.read_table("one.parquet").to_pylist()
    assert len(found) == len(expected) == 300
    for row, other in zip(found, expected):
        assert row == pytest.approx(other, abs=1e-6)


def test_mistakes_of_a_worker_are_one_line(ray, head_path, files, capsys):
    Path("bad.jsonl").write_text('{"text": "a"}\n{"text": 7}\n')
    command = ["embed", "--model", head_path, "--engine", "ray", "--output", "vectors.parquet", "--input"]
    assert main([*command, "bad.jsonl"]) == 2
    assert "bad.jsonl, line 2: 'text' holds 7, which is not text" in last_line(capsys)
    assert main([*command, "a.txt", "--truncate_dim", "999"]) == 2
    assert "--truncate_dim 999 is not between 1 and" in last_line(capsys)
    assert not os.path.exists("vectors.parquet")


def last_line(capsys):
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--keep_order"], "are about --engine ray"),
        (["--ray_actors", "2"], "are about --engine ray"),
        (["--engine", "ray", "--ray_actors", "0"], "--ray_actors 0 is not positive"),
    ],
)
def test_options_of_ray_alone(head_path, files, capsys, options, message):
    assert main(["embed", "--model", head_path, "--output", "v.npy", "--input", "a.txt", *options]) == 2
    assert message in last_line(capsys)


def test_places_that_ray_cannot_write(head_path, files, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", sys)  # never asked for
    Path("there.parquet").mkdir()
    command = ["embed", "--model", head_path, "--input", "a.txt", "--engine", "ray", "--output"]
    assert main([*command, "v.npy"]) == 2
    assert "end its name with .parquet or .jsonl" in last_line(capsys)
    assert main([*command, "there.parquet"]) == 2
    assert "'there.parquet' is there already" in last_line(capsys)


def test_without_ray_the_extra_is_named(head_path, files, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    assert main(["embed", "--model", head_path, "--input", "a.txt", "--engine", "ray", "--output", "v.parquet"]) == 2
    assert last_line(capsys).endswith('this needs ray: run `pip install "glot-hf[ray]"`')
