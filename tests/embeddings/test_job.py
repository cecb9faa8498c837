"""The same bits however often a job is killed and however many processes share it; and what it refuses."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import torch.nn.functional as F
from forked_processes import processes, run_together
from single_words import make_texts
from transformers import AutoTokenizer

from glot_hf import GlotForSequenceClassification, GlotModel
from glot_hf.embeddings.job import EmbeddingJob
from glot_hf.embeddings.record import EmbeddingRecord
from glot_hf.embeddings.text_files import TextFiles
from glot_hf.embeddings.vector_files import WRITERS
from glot_hf.model.finite_glot import require_finite
from glot_hf.system.errors import InputError


ROWS_PER_CHUNK = 64


def embed(head, paths, output, **options):
    torch.set_num_threads(1)  # the same sums in the same order
    model, tokenizer = GlotModel.from_pretrained(head), AutoTokenizer.from_pretrained(head)
    options = {"rows_per_chunk": ROWS_PER_CHUNK, **options}
    return EmbeddingJob(TextFiles(paths), Path(output), lambda: (model, tokenizer), {"model": head}, **options).run()


def start(*arguments):
    process = processes.Process(target=embed, args=arguments)
    process.start()
    return process


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two files of 1,500 lines in all."""
    folder, texts = tmp_path_factory.mktemp("texts"), make_texts(1500, longest=30)
    (folder / "a.txt").write_text("\n".join(texts[:700]))
    (folder / "b.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts[700:]))
    return [str(folder / "a.txt"), str(folder / "b.jsonl")]


@pytest.fixture(scope="module")
def undisturbed(head_path, files, tmp_path_factory):
    """The checksums of vectors and record of a job that nobody disturbs, and how long it takes, in seconds."""
    folder = tmp_path_factory.mktemp("undisturbed")
    start(head_path, files, folder / "warm.npy").join()
    started = time.monotonic()
    process = start(head_path, files, folder / "vectors.npy")
    process.join()
    assert process.exitcode == 0
    return checksums(folder / "vectors.npy"), time.monotonic() - started


def checksums(path):
    return [hashlib.sha256(each.read_bytes()).hexdigest() for each in (path, EmbeddingRecord.path_of(path))]


def test_vectors_are_those_of_encode_in_the_order_of_the_rows(head_path, files, tmp_path):
    assert embed(head_path, files, tmp_path / "vectors.npy") == 1500
    texts = [row.text for row in TextFiles(files)]
    model, tokenizer = GlotModel.from_pretrained(head_path), AutoTokenizer.from_pretrained(head_path)
    expected = model.encode(texts, tokenizer).numpy()
    np.testing.assert_allclose(np.load(tmp_path / "vectors.npy"), expected, rtol=0, atol=1e-5)
    assert not list(tmp_path.glob("*.parts"))

    embed(head_path, files, tmp_path / "unit.npy", normalize=True, dtype="float16")
    unit = np.load(tmp_path / "unit.npy")
    assert unit.dtype == np.float16
    np.testing.assert_allclose(unit, F.normalize(torch.from_numpy(expected), dim=-1), rtol=0, atol=1e-3)


def test_vectors_of_a_cosine_head_are_those_it_compares(head_path, files, tmp_path):
    torch.manual_seed(0)
    model = GlotForSequenceClassification.from_backbone(
        f"{head_path}/../backbone", pair_mode="cosine", gnn_hidden_size=8, readout_hidden_size=8
    )
    tokenizer = AutoTokenizer.from_pretrained(head_path)
    EmbeddingJob(TextFiles(files), tmp_path / "vectors.npy", lambda: (model, tokenizer), {}, normalize=True).run()
    vectors, texts = np.load(tmp_path / "vectors.npy"), [row.text for row in TextFiles(files)][:6]
    first, second = (tokenizer(part, padding=True, return_tensors="pt") for part in (texts[:3], texts[3:]))
    inputs = {**first, "input_ids_b": second["input_ids"], "attention_mask_b": second["attention_mask"]}
    inputs.pop("token_type_ids", None)
    with torch.no_grad():
        answers = model(**inputs).logits[:, 0]
    np.testing.assert_allclose((vectors[:3] * vectors[3:6]).sum(-1), answers, rtol=0, atol=1e-5)


def test_what_is_done_is_not_done_again(head_path, files, tmp_path, monkeypatch):
    embed(head_path, files, tmp_path / "vectors.npy")
    monkeypatch.setattr(GlotModel, "encode", None)
    assert embed(head_path, files, tmp_path / "vectors.npy") == 1500


@pytest.mark.parametrize("kills", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_sigkill(head_path, files, undisturbed, tmp_path, kills):
    expected, seconds = undisturbed
    generator, killed, rounds = random.Random(kills), 0, 0
    while killed < kills:
        output = tmp_path / f"vectors{rounds}.npy"
        rounds += 1
        while killed < kills and not output.exists():
            process = start(head_path, files, output)
            time.sleep(generator.uniform(0, seconds))
            process.kill()
            process.join()
            killed += process.exitcode == -signal.SIGKILL
        process = start(head_path, files, output)
        process.join()
        assert process.exitcode == 0
        assert checksums(output) == expected  # to the bit
    assert {path.name.split(".", 1)[1] for path in tmp_path.iterdir()} == {"npy", "npy.json"}  # nothing is left over


def embed_of_rank(rank, head, paths, output):
    embed(head, paths, output)


def test_processes_share_the_work(head_path, files, undisturbed, tmp_path):
    run_together(2, embed_of_rank, head_path, files, tmp_path / "vectors.npy")
    assert checksums(tmp_path / "vectors.npy") == undisturbed[0]


SCRIPT = "import sys; from tests.embeddings.test_job import embed; embed(sys.argv[1], sys.argv[3:], sys.argv[2])"


@pytest.mark.slow
def test_processes_of_accelerate_launch_share_the_work(head_path, files, undisturbed, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([os.getcwd(), *sys.path])
    output = tmp_path / "vectors.npy"
    arguments = ["--main_process_port", "0", str(tmp_path / "script.py"), head_path, str(output), *files]
    result = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert checksums(output) == undisturbed[0]


def test_each_process_makes_its_own_chunks(head_path, files, undisturbed, tmp_path, monkeypatch):
    """Without a launcher: process 1 of 2 alone, then process 0 alone."""
    made = []

    class Share:
        num_processes, is_main_process = 2, True  # both write the record

        def __init__(self, index):
            self.process_index = index

        def wait_for_everyone(self):
            made.append({int(path.stem) for path in Path(f"{output}.parts").glob("*.npy")})

    output = tmp_path / "vectors.npy"
    monkeypatch.setattr("glot_hf.embeddings.job.find_processes", lambda: Share(1))
    with pytest.raises(FileNotFoundError):  # the other half is missing when they are joined
        embed(head_path, files, output)
    assert made[-1] == set(range(1, 24, 2)) and not output.exists()
    monkeypatch.setattr("glot_hf.embeddings.job.find_processes", lambda: Share(0))
    embed(head_path, files, output)
    assert made[-1] == set(range(24))
    assert checksums(output) == undisturbed[0]


def test_half_done_work_of_something_else_is_refused(head_path, files, tmp_path, monkeypatch):
    output = tmp_path / "vectors.npy"
    monkeypatch.setitem(WRITERS, ".npy", None)  # it dies when all parts are done
    with pytest.raises(TypeError):
        embed(head_path, files, output)
    for options, difference in (
        ({"normalize": True}, "normalize (False, not True)"),
        ({"dtype": "float16"}, "dtype ('float32', not 'float16')"),
        ({"batch_size": 3}, "batch_size (None, not 3)"),
        ({"rows_per_chunk": 32}, "rows_per_chunk (64, not 32)"),
    ):
        with pytest.raises(InputError) as error:
            embed(head_path, files, output, **options)
        assert difference in str(error.value) and "vectors.npy.json" in str(error.value)
    with pytest.raises(InputError, match=r"differ in rows \(1500, not 700\), texts: "):
        embed(head_path, files[:1], output)
    lines = Path(files[0]).read_text()
    (tmp_path / "a.txt").write_text(lines[:-1] + ("x" if lines[-1] != "x" else "y"))
    with pytest.raises(InputError, match="differ in texts: name another"):
        embed(head_path, [str(tmp_path / "a.txt"), files[1]], output)
    monkeypatch.undo()
    (tmp_path / "a.txt").write_text(lines)  # in another place: what counts is what it holds
    assert embed(head_path, [str(tmp_path / "a.txt"), files[1]], output) == 1500


def test_files_of_others_are_left_alone(head_path, files, tmp_path):
    (tmp_path / "vectors.npy").write_text("mine")
    with pytest.raises(InputError, match="exists and was not written by `glot-hf embed`"):
        embed(head_path, files, tmp_path / "vectors.npy")
    assert (tmp_path / "vectors.npy").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_parts_without_a_record_are_not_used(head_path, files, undisturbed, tmp_path):
    (tmp_path / "vectors.npy.parts").mkdir()
    np.save(tmp_path / "vectors.npy.parts" / "00000000.npy", np.zeros((ROWS_PER_CHUNK, 3)))
    embed(head_path, files, tmp_path / "vectors.npy")
    assert checksums(tmp_path / "vectors.npy") == undisturbed[0]


def test_texts_that_change_meanwhile(head_path, tmp_path, monkeypatch):
    """Vectors would be of some texts, and the record, with Parquet the file too, of others."""
    texts = tmp_path / "a.txt"
    texts.write_text("one\ntwo\n")
    encode = GlotModel.encode

    def change(self, *arguments, **options):
        texts.write_text("two\none\n")
        return encode(self, *arguments, **options)

    monkeypatch.setattr(GlotModel, "encode", change)
    with pytest.raises(InputError, match="the texts changed while they were embedded"):
        embed(head_path, [str(texts)], tmp_path / "vectors.parquet")
    assert list(tmp_path.iterdir()) == [texts]
    monkeypatch.undo()
    assert embed(head_path, [str(texts)], tmp_path / "vectors.parquet") == 2


def test_a_vector_that_is_not_finite_is_told_by_its_place(head_path, tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("".join(f"{number}\n" for number in range(1, 11)))

    def encode(self, texts, tokenizer, batch_size):
        require_finite(self, torch.tensor([[float("nan") if text == "7" else 1.0] for text in texts]), texts)
        return torch.ones(len(texts), self.config.hidden_size)

    monkeypatch.setattr(GlotModel, "encode", encode)
    with pytest.raises(InputError, match=r"of the texts from 5 on, the numbers of text 3 \('7'\) are not finite"):
        embed(head_path, [str(tmp_path / "a.txt")], tmp_path / "vectors.npy", rows_per_chunk=4)


def test_vectors_too_large_for_float16(head_path, files, tmp_path, monkeypatch):
    monkeypatch.setattr(
        GlotModel, "encode", lambda self, texts, tokenizer, batch_size: torch.full((len(texts), 3), 7e4)
    )
    with pytest.raises(InputError, match="a vector holds 70000, which float16 cannot"):
        embed(head_path, files, tmp_path / "vectors.npy", dtype="float16")


def test_no_room_on_the_disk(head_path, files, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(InputError, match="1,500 vectors, while they are made, take .* but .* has 1.00kB free"):
        embed(head_path, files, tmp_path / "vectors.npy")
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_file(head_path, tmp_path, monkeypatch):
    """Vectors of 50 MB of 64,000 texts of 20 MB: nothing near that stays. `encode` is stubbed, for time."""
    (tmp_path / "a.txt").write_text("".join(f"{'x' * 300} {number}\n" for number in range(64_000)))
    process, resident = psutil.Process(), []

    def encode(self, texts, tokenizer, batch_size):
        resident.append(process.memory_info().rss)
        return torch.ones(len(texts), 200)

    monkeypatch.setattr(GlotModel, "encode", encode)
    monkeypatch.setattr("glot_hf.GlotConfig.hidden_size", 200)
    embed(head_path, [str(tmp_path / "a.txt")], tmp_path / "vectors.npy", rows_per_chunk=640)
    assert len(resident) == 100 and np.load(tmp_path / "vectors.npy", mmap_mode="r").shape == (64_000, 200)
    assert max(resident) - resident[10] < 5e6
