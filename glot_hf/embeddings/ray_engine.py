# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Embeds or answers texts on a Ray cluster: Ray Data reads, runs actors of one model each, tries again what a lost worker
did, and writes a folder of files. Only what happens to a block of rows is said here.

Files are read by our own readers, in tasks of Ray: its own cut lines of text at other characters too, guess the types
of JSON anew for each file, and hold a whole file of either in memory.
"""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow
import torch

from ..data.answer_files import tabulate
from ..options.engine import EngineArguments
from ..system.errors import InputError
from .job import EmbeddingJob
from .text_files import TextFiles, TextRow
from .vector_files import vector_table


if TYPE_CHECKING:  # these need the extra `train`, which vectors do not
    from ..data.text_rows import TextRows
    from .answer_job import AnswerJob

KINDS = (".parquet", ".jsonl")
_ROWS_AT_ONCE = 1024
# Of text or vectors: some seconds of a CPU's work, which is what the loss of an actor costs.
_BYTES_A_BLOCK = 256 * 1024
_ROWS_PER_FILE = 16_384
# Reading and writing wait for the disk: so that actors can have nearly all CPUs, they are said to need little of one.
_CPUS_OF_FILES = 0.1
_CPUS_OF_ACTORS = 0.75
_TEXTS = "glot_hf.texts"  # a column between reading and answering, of a name that no file has


def embed(texts: TextFiles, output: Path, load: Callable[[], EmbeddingJob], arguments: EngineArguments) -> int:
    """
    Write `id`, `text` and `embedding` of each row. A row without an id is called by its number over all files.

    Args:
        output (`Path`): a folder that is not there yet, of files of the kind that its suffix says.
        load: called by each actor; its job makes the vectors of a block.

    Returns:
        The number of rows.

    Raises:
        InputError: Ray cannot be reached, there is something at `output`, a text cannot be read, or a vector cannot be
            stored.
    """
    texts = replace(texts, paths=[os.path.abspath(path) for path in texts.paths])
    files = [replace(texts, paths=[path]) for path in texts.paths]
    with _cluster(arguments, output) as ray:
        count = ray.remote(num_cpus=_CPUS_OF_FILES)(_count)
        counts = ray.get([count.remote(file) for file in files])
        starts = [0, *accumulate(counts)]
        sources = [partial(_read_texts, file, start) for file, start in zip(files, starts)]
        _run(ray, sources, partial(_Embedding, load), output, arguments)
    return starts[-1]


def answer(
    texts: "TextRows",
    output: Path,
    schema: pyarrow.Schema,
    load: Callable[[], tuple["AnswerJob", Callable[[Any], dict[str, Any]]]],
    arguments: EngineArguments,
) -> int:
    """
    Write all columns of each row, and the head's answer to it, as [`tabulate`] has them.

    Args:
        texts ([`TextRows`]): of one file.
        output (`Path`): as in [`embed`].
        schema (`pyarrow.Schema`): of what is written.
        load: called by each actor: its job, and what says in words what the logits of a row mean.

    Returns:
        The number of rows.

    Raises:
        InputError: as in [`embed`].
    """
    with _cluster(arguments, output) as ray:
        count = ray.get(ray.remote(num_cpus=_CPUS_OF_FILES)(_count).remote(texts))
        _run(ray, [partial(_read_rows, texts)], partial(_Answering, load, schema), output, arguments)
    return count


class _Embedding:
    def __init__(self, load: Callable[[], EmbeddingJob]):
        self._job = load()

    def __call__(self, table: pyarrow.Table) -> pyarrow.Table:
        rows = [TextRow(*row) for row in zip(table["id"].to_pylist(), table["text"].to_pylist())]
        return vector_table(rows, self._job.vectors(rows))


class _Answering:
    def __init__(self, load: Callable[[], Any], schema: pyarrow.Schema):
        self._job, self._answer = load()
        self._schema = schema

    def __call__(self, table: pyarrow.Table) -> pyarrow.Table:
        texts, cells = table[_TEXTS].to_pylist(), table.drop_columns(_TEXTS).to_pylist()
        rows = list(zip(cells, ({"text": first} | {"text_pair": each for each in rest} for first, *rest in texts)))
        answers = map(self._answer, self._job.logits(rows))
        return tabulate(zip(cells, answers), self._schema)


class _Actor:
    """Makes its model when the first block comes: an error of an actor's constructor would not be told as it is."""

    def __init__(self, make: Callable[[], Callable[[pyarrow.Table], pyarrow.Table]], threads: int):
        self._make, self._threads = make, threads

    @cached_property
    def _work(self) -> Callable[[pyarrow.Table], pyarrow.Table]:
        torch.set_num_threads(self._threads)
        return self._make()

    def __call__(self, table: pyarrow.Table) -> pyarrow.Table:
        return self._work(table)


@contextmanager
def _cluster(arguments: EngineArguments, output: Path) -> Iterator[Any]:
    """
    Give the module ray, connected to a cluster: one that is there, or of this machine and only for this run.
    """
    if output.suffix not in KINDS:
        raise InputError(
            f"{str(output)!r} cannot be written by --engine ray, which writes a folder: end its name with "
            f"{' or '.join(KINDS)}, the kind of its files"
        )
    if output.exists():
        raise InputError(f"{str(output)!r} is there already: delete it, or name another place")
    import ray  # pyright: ignore[reportMissingImports]
    import ray.data  # pyright: ignore[reportMissingImports]

    is_ours, address = not ray.is_initialized(), arguments.ray_address or "local"
    if is_ours:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers of each run
        try:
            quiet = {"include_dashboard": False} if address == "local" else {}
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"there is no Ray cluster at {address!r} ({reason}): `ray start --head` starts one; without "
                "--ray_address, one is started for this run"
            ) from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is raised; all is in Ray's own log files
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = sys.stderr.isatty()
    context.target_max_block_size = _BYTES_A_BLOCK
    context.execution_options.preserve_order = arguments.keep_order
    context.raise_original_map_exception = True
    try:
        yield ray
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error  # what a worker met: a mistake of the user is one line, a full disk has its hint
    finally:
        if is_ours:
            ray.shutdown()


def _run(ray: Any, sources: list[Callable], make: Callable, output: Path, arguments: EngineArguments) -> None:
    """Read, work and write, block by block; the folder is moved to its place when all is written."""
    found = ray.cluster_resources()
    gpus, cpus = int(found.get("GPU", 0)), int(found.get("CPU", 1))
    actors = arguments.ray_actors or gpus or cpus
    share = _CPUS_OF_ACTORS * cpus / actors
    needs = {"num_gpus": min(1, gpus / actors)} if gpus else {"num_cpus": share if share < 1 else int(share)}
    parts = output.with_name(f"{output.name}.parts").absolute()
    shutil.rmtree(parts, ignore_errors=True)  # of a run that died
    numbers = [{"source": number} for number in range(len(sources))]
    data = ray.data.from_items(numbers, override_num_blocks=len(sources))
    data = data.map_batches(_read, fn_args=(sources,), batch_size=None, num_cpus=_CPUS_OF_FILES)
    data = data.map_batches(
        _Actor,
        fn_constructor_args=(make, max(1, cpus // actors)),
        batch_size=None,  # a block
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=actors),
        **needs,
    )
    options = {"min_rows_per_file": _ROWS_PER_FILE, "ray_remote_args": {"num_cpus": _CPUS_OF_FILES}}
    if output.suffix == ".parquet":
        data.write_parquet(str(parts), **options)
    else:
        names = ray.data.datasource.FilenameProvider(file_format="jsonl")
        exact = {"double_precision": 15, "force_ascii": False, "date_format": "iso"}
        data.write_json(str(parts), filename_provider=names, **options, **exact)
    parts.rename(output)


def _count(rows: Any) -> int:
    return sum(1 for _ in rows)


def _read(batch: dict[str, Any], sources: list[Callable[[], Iterator[pyarrow.Table]]]) -> Iterator[pyarrow.Table]:
    for number in batch["source"]:
        yield from sources[number]()


def _read_texts(file: TextFiles, start: int) -> Iterator[pyarrow.Table]:
    for rows in file.chunks(_ROWS_AT_ONCE):
        ids = [row.id if file.id_column else start + number for number, row in enumerate(rows)]
        yield pyarrow.table({"id": ids, "text": [row.text for row in rows]})
        start += len(rows)


def _read_rows(texts: "TextRows") -> Iterator[pyarrow.Table]:
    rows = iter(texts)
    while piece := list(islice(rows, _ROWS_AT_ONCE)):
        cells = pyarrow.Table.from_pylist([cells for cells, _ in piece], texts.rows.schema)
        yield cells.append_column(_TEXTS, pyarrow.array([[*texts.values()] for _, texts in piece]))
