"""`glot-hf embed` and `glot-hf search`, from the files of a user to the rows that are found."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from sentence_transformers.util import truncate_embeddings
from transformers import AutoTokenizer, BertConfig

from glot_hf import GlotForSequenceClassification, GlotModel
from glot_hf.commands.main import main
from glot_hf.embeddings.vector_files import read_blocks
from glot_hf.system.lock import locked_file

from .conftest import write


TEXTS = ["a film about a cat", "the weather of tomorrow", "kittens and cats", "rain is expected", "a long film " * 50]


@pytest.fixture
def texts(files):
    write("texts.txt", "".join(text + "\n" for text in TEXTS))
    write("texts.csv", "key,body\n" + "".join(f"k{number},{text}\n" for number, text in enumerate(TEXTS)))


@pytest.fixture
def embed(texts, minilm_path):
    """Mean pooling by default, so that what is found makes sense."""

    def run(output, *options, model=("--backbone", minilm_path), files=("texts.txt",)):
        return main(["embed", *model, "--input", *files, "--output", output, *options])

    return run


@pytest.fixture
def search(capsys):
    """The hits, from standard output."""

    def run(*arguments):
        capsys.readouterr()
        assert main(["search", *arguments]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_mean_pooling_gives_the_vectors_of_sentence_transformers(embed, minilm_path, capsys):
    assert embed("vectors.npy", "--max_length", "16") == 0
    assert "5 vectors of width 384 in float32: vectors.npy, 7.81kB" in capsys.readouterr().out
    transformer = Transformer(minilm_path, max_seq_length=16)
    other = SentenceTransformer(modules=[transformer, Pooling(384, "mean")], device="cpu")
    np.testing.assert_allclose(np.load("vectors.npy"), other.encode(TEXTS), rtol=0, atol=1e-5)


def test_what_is_finished_is_said_to_be(embed, capsys):
    for start in ("5 vectors", "already there: 5 vectors"):
        assert embed("vectors.npy") == 0
        assert capsys.readouterr().out.startswith(start)


def test_cut_vectors(embed, search, capsys):
    """As sentence-transformers cuts them: of length 1 after the cut."""
    assert embed("whole.npy") == 0 and embed("cut.npy", "--truncate_dim", "64", "--normalize") == 0
    assert "5 vectors of width 64" in capsys.readouterr().out
    expected = truncate_embeddings(torch.from_numpy(np.load("whole.npy")), 64)
    torch.testing.assert_close(torch.from_numpy(np.load("cut.npy")), F.normalize(expected, dim=-1))
    assert search(TEXTS[3], "--index", "cut.npy")[0]["cosine"] == pytest.approx(1, abs=1e-5)


def test_another_pooling(embed, minilm_path):
    assert embed("vectors.npy", "--pooling", "weighted_mean") == 0
    model = GlotModel.from_backbone(minilm_path, pooling="weighted_mean")
    expected = model.encode(TEXTS, AutoTokenizer.from_pretrained(minilm_path))
    np.testing.assert_allclose(np.load("vectors.npy"), expected, rtol=0, atol=1e-6)


def test_a_trained_head_cuts_texts_as_in_training(embed, train):
    assert train("--train_file", "films.csv", "--label_column", "mood", "--max_length", "9") == 0
    assert embed("vectors.safetensors", model=("--model", "head")) == 0
    model = GlotForSequenceClassification.from_pretrained("head")
    expected = model.encode(TEXTS, AutoTokenizer.from_pretrained("head"), max_length=9)
    np.testing.assert_allclose(load_file("vectors.safetensors")["embeddings"], expected, rtol=0, atol=1e-6)


def test_a_head_saved_without_a_tokenizer_takes_its_backbones(embed, minilm_path, search):
    GlotModel.from_backbone(minilm_path, gnn_hidden_size=8).save_pretrained("bare")
    assert embed("vectors.npy", model=("--model", "bare")) == 0
    assert search(TEXTS[1], "--index", "vectors.npy", "--top_k", "1")[0]["text"] == TEXTS[1]


def test_several_files_and_ids(embed, search):
    assert embed("vectors.npy", "--text_column", "body", files=("texts.csv", "texts.txt")) == 0
    assert np.load("vectors.npy").shape == (10, 384)
    hits = search("cats", "--index", "vectors.npy", "--top_k", "2")
    assert {hit["row"] for hit in hits} == {2, 7} and {hit["text"] for hit in hits} == {"kittens and cats"}


@pytest.mark.parametrize(
    ("output", "options"),
    [("vectors.npy", ("--faiss_index", "Flat")), ("vectors.safetensors", ()), ("vectors.parquet", ())],
)
def test_search(embed, search, output, options):
    columns = ("--text_column", "body", "--id_column", "key")
    assert embed(output, *columns, "--normalize", "--dtype", "float16", files=("texts.csv",)) == 0
    hits = search("cats", "will it rain?", "--index", output, "--top_k", "2", *options)
    assert [(hit["query"], hit["id"]) for hit in hits[::2]] == [("cats", "k2"), ("will it rain?", "k3")]
    assert [hit["text"] for hit in hits[::2]] == ["kittens and cats", "rain is expected"]
    assert hits[0]["cosine"] > hits[1]["cosine"] and len(hits) == 4


def test_a_text_finds_itself(embed, search):
    assert embed("vectors.npy") == 0
    assert search(TEXTS[3], "--index", "vectors.npy")[0] == {
        "query": TEXTS[3],
        "cosine": pytest.approx(1, abs=1e-5),
        "row": 3,
        "id": 3,
        "text": TEXTS[3],
    }


@pytest.mark.parametrize("output", ["vectors.npy", "vectors.parquet"])
def test_blank_texts_keep_their_rows_and_are_not_found(embed, search, output, capsys):
    rows = [{"text": text} for text in ("", "a cat", None, " \t", "a dog")]
    write("blank.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert embed(output, files=("blank.jsonl",)) == 0
    assert capsys.readouterr().err.count("3 of 5 texts are blank: their vectors are zeros") == 1
    assert {hit["row"] for hit in search("nothing", "--index", output)} == {1, 4}
    (vectors,) = read_blocks(Path(output))
    assert vectors.any(axis=1).tolist() == [False, True, False, False, True]


def test_queries_of_a_file(embed, search):
    assert embed("vectors.npy") == 0
    write("queries.txt", "cats\nwill it rain?\n")
    options = ("--index", "vectors.npy", "--top_k", "2")
    assert search("--queries", "queries.txt", *options) == search("cats", "will it rain?", *options)


def test_prompts(embed, search, error_line):
    """Texts with a prompt are those texts, and a query with theirs finds itself."""
    assert embed("vectors.npy", "--prompt", "passage: ") == 0
    write("prompted.txt", "".join(f"passage: {text}\n" for text in TEXTS))
    assert embed("expected.npy", files=("prompted.txt",)) == 0
    np.testing.assert_array_equal(np.load("vectors.npy"), np.load("expected.npy"))
    hit = search(TEXTS[3], "--index", "vectors.npy", "--prompt", "passage: ")[0]
    assert hit["query"] == hit["text"] == TEXTS[3] and hit["cosine"] == pytest.approx(1, abs=1e-5)
    assert search(TEXTS[3], "--index", "vectors.npy")[0]["cosine"] < 0.999
    assert "differ in prompt ('passage: ', not '')" in error_line(embed("vectors.npy"))


def test_search_without_the_files_of_the_texts(embed, capsys, files):
    assert embed("vectors.npy") == 0
    write("texts.txt", "other\n")
    capsys.readouterr()
    assert main(["search", "cats", "--index", "vectors.npy", "--top_k", "1"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out).keys() == {"query", "cosine", "row"}
    assert "no texts are shown" in output.err and "has changed since its vectors were made" in output.err
    (files / "texts.txt").unlink()
    assert main(["search", "cats", "--index", "vectors.npy", "--top_k", "1"]) == 0
    assert "there is no file" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["vectors.npy", "vectors.safetensors", "vectors.parquet"])
def test_texts_in_another_order_are_not_shown(embed, capsys, output):
    """Of a file of the same size and time; Parquet holds its own texts."""
    columns = ("--text_column", "body", "--id_column", "key")
    assert embed(output, *columns, files=("texts.csv",)) == 0
    before, (header, *lines) = os.stat("texts.csv"), Path("texts.csv").read_text().splitlines(keepends=True)
    write("texts.csv", header + "".join(lines[::-1]))
    os.utime("texts.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
    capsys.readouterr()
    assert main(["search", "cats", "rain", "--index", output, "--top_k", "1"]) == 0
    found = capsys.readouterr()
    hits = [json.loads(line) for line in found.out.splitlines()]
    if output == "vectors.parquet":
        assert [hit["text"] for hit in hits] == ["kittens and cats", "rain is expected"]
        assert "no texts are shown" not in found.err
    else:
        assert [hit["row"] for hit in hits] == [2, 3] and not any("text" in hit or "id" in hit for hit in hits)
        assert found.err.count("no texts are shown") == found.err.count("has changed since its vectors were made") == 1


def test_vectors_that_their_record_is_not_of(embed, error_line):
    assert embed("vectors.npy") == 0 and embed("others.npy", "--pooling", "max") == 0
    shutil.move("others.npy", "vectors.npy")
    line = error_line(main(["search", "cats", "--index", "vectors.npy"]))
    assert "'vectors.npy' does not belong to the record vectors.npy.json beside it" in line


def test_a_backbone_whose_configuration_changed(embed, minilm_path, capsys, error_line):
    """Under the same path and with the same weights."""
    shutil.copytree(minilm_path, "backbone")
    model = ("--backbone", "backbone")
    assert embed("vectors.npy", model=model) == 0
    config = json.loads(Path("backbone/config.json").read_text())
    write("backbone/config.json", json.dumps({**config, "hidden_act": "relu"}))
    assert "differ in backbone_config: name another --output" in error_line(embed("vectors.npy", model=model))
    search = ["search", "cats", "--index", "vectors.npy"]
    assert "made by another model than" in (line := error_line(main(search))) and "with other backbone_config" in line
    record = json.loads(Path("vectors.npy.json").read_text())
    record["key"]["transformers_version"] = "5.0.0"
    write("vectors.npy.json", json.dumps(record))
    capsys.readouterr()
    assert main(search) == 0
    assert "differs in backbone_config: it may be another model" in capsys.readouterr().err


def test_a_model_that_has_moved_and_another_one(embed, minilm_path, search, files, error_line):
    GlotModel.from_backbone(minilm_path, gnn_hidden_size=8).save_pretrained("head")
    GlotModel.from_backbone(minilm_path, gnn_hidden_size=8).save_pretrained("another")
    assert embed("vectors.npy", model=("--model", "head")) == 0
    (files / "head").rename(files / "moved")
    assert search("cats", "--index", "vectors.npy", "--model", "moved")
    line = error_line(main(["search", "cats", "--index", "vectors.npy", "--model", "another"]))
    assert "made by another model than another, with other weights" in line
    line = error_line(main(["search", "cats", "--index", "vectors.npy", "--model", minilm_path]))
    assert f"made by the head {str(files / 'head')!r}" in line and "is a 'bert' model and not a head" in line
    assert embed("plain.npy") == 0
    line = error_line(main(["search", "cats", "--index", "plain.npy", "--model", "another"]))
    assert f"made by the backbone {minilm_path!r}" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "name what makes the vectors: either --model, or --backbone"),
        (("--model", "a", "--backbone", "b"), "name what makes the vectors"),
        (("--model", "a", "--pooling", "max"), "a --model has its own"),
        (("--backbone", "a", "--pooling", "glot"), "invalid choice: 'glot'"),
        (("--backbone", "a", "--output", "vectors.txt"), "valid are .npy, .safetensors, .parquet"),
        (("--backbone", "a", "--input", "missing.txt"), "there is no file 'missing.txt'"),
        (("--backbone", "a", "--id_column", "key"), "holds texts alone"),
        (("--backbone", "a", "--batch_size", "0"), "--batch_size 0 is not positive"),
        (("--backbone", "a", "--truncate_dim", "0"), "--truncate_dim 0 is not positive"),
        (("--backbone", "a", "--backbone_load_kwargs", "{"), "is not JSON"),
        (("--backbone", "nowhere/at_all"), "nowhere/at_all"),
        (("--model", "nowhere/at_all"), "nowhere/at_all"),
        (("--model", "backbone"), "'backbone' is a 'bert' model and not a head: glot-hf embed and mteb take it alone"),
    ],
)
def test_mistakes(texts, error_line, options, message):
    BertConfig().save_pretrained("backbone")
    arguments = ["embed", "--input", "texts.txt", "--output", "vectors.npy", *options]
    assert message in error_line(main(arguments))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--input", "texts.csv"), "there is no column 'text'"),
        (("--input", "empty.txt"), "is empty"),
        (("--input", "latin.txt"), "is not UTF-8 text: line 1"),
        (("--input", "blank.jsonl"), "line 1: is not JSON"),
        (("--normalize",), "differ in normalize (False, not True): name another --output"),
        (("--input", "more.txt"), "differ in rows (5, not 6), texts: name another --output"),
        (("--output", "mine.npy"), "exists and was not written by `glot-hf embed`"),
    ],
)
def test_mistakes_that_are_told_before_the_model_is_loaded(embed, files, error_line, monkeypatch, options, message):
    assert embed("vectors.npy") == 0
    for name, content in (("empty.txt", ""), ("more.txt", "more\n" * 6), ("blank.jsonl", "{"), ("mine.npy", "")):
        write(name, content)
    (files / "latin.txt").write_bytes(b"\xe9")
    monkeypatch.setattr("glot_hf.commands.embed.load_encoder", None)
    arguments = ["embed", "--backbone", "a", "--input", "texts.txt", "--output", "vectors.npy", *options]
    assert message in error_line(main(arguments))


def test_a_head_that_compares_tokens_has_no_vectors(embed, files, minilm_path, error_line):
    GlotForSequenceClassification.from_backbone(minilm_path, pair_mode="late").save_pretrained("late")
    AutoTokenizer.from_pretrained(minilm_path).save_pretrained("late")
    line = error_line(embed("vectors.npy", model=("--model", "late")))
    assert line.startswith("glot-hf embed: error: this head compares the tokens of two texts") and "predict" in line


def test_mistakes_of_search(embed, texts, files, error_line):
    assert "there is no file 'vectors.npy'" in error_line(main(["search", "cats", "--index", "vectors.npy"]))
    np.save("vectors.npy", np.zeros((1, 384)))
    assert "there is no vectors.npy.json beside it" in error_line(main(["search", "cats", "--index", "vectors.npy"]))
    (files / "vectors.npy").unlink()
    assert "--truncate_dim 385 is not between 1 and 384" in error_line(embed("vectors.npy", "--truncate_dim", "385"))
    assert embed("vectors.npy") == 0
    assert "not positive" in error_line(main(["search", "cats", "--index", "vectors.npy", "--top_k", "0"]))
    write("queries.txt", "cats\n \n")
    for queries in ((), ("cats", "--queries", "queries.txt")):
        assert "either texts, or a file" in error_line(main(["search", *queries, "--index", "vectors.npy"]))
    line = error_line(main(["search", "--queries", "queries.txt", "--index", "vectors.npy"]))
    assert "query 2 is blank" in line
    line = error_line(main(["search", "cats", "--index", "vectors.npy", "--model", "nowhere/at_all"]))
    assert "nowhere/at_all" in line
    write("vectors.npy.json", "{}")
    assert "is damaged" in error_line(main(["search", "cats", "--index", "vectors.npy"]))


def test_two_runs_at_once(embed, error_line):
    """The second is refused in a line; what the first writes stays whole."""
    with locked_file("vectors.npy"):
        line = error_line(embed("vectors.npy"))
    assert "'vectors.npy' is being written by another run" in line and not os.path.exists("vectors.npy")
