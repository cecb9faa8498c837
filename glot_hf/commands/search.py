# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf search "text" --index VECTORS`: the rows that are most like a text, one JSON object a line."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..loading.encoder import load_encoder
from ..options.arguments import TrustArguments
from ..options.encoder import EncoderArguments
from ..options.parser import CommandParser
from ..system.errors import InputError, require_extra, require_positive, user_errors
from ..system.options import REQUIRED, option


@dataclass
class SearchArguments:
    index: str = option(REQUIRED, "Vectors that `glot-hf embed` wrote.")
    top_k: int = option(10, "Rows for each text.")
    queries: str | None = option(
        None, "File of texts to search for: one a line of .txt, or the column text of other kinds."
    )
    prompt: str = option("", 'Put before every query, as some backbones were trained: "query: " of E5.')
    model: str | None = option(None, "The head or the backbone that made the vectors, if it has moved since.")
    faiss_index: str | None = option(
        None,
        "Search approximately, by an index that faiss.index_factory makes of this, such as HNSW32; it is "
        "kept beside the vectors. Default: exactly.",
    )


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        SearchArguments,
        TrustArguments,
        prog="glot-hf search",
        description=__doc__,
        common=["index", "top_k", "queries"],
        examples=[
            'glot-hf search "a lovely film" --index vectors.npy',
            "glot-hf search --queries questions.txt --index vectors.parquet --top_k 3",
        ],
    )
    parser.add_argument("text", nargs="*", help="one or more texts")
    return parser


def run(argv: list[str]) -> None:
    arguments, trust, rest = parser().parse(argv)
    require_positive(arguments.top_k, "--top_k")
    from ..embeddings.record import EmbeddingRecord
    from ..embeddings.search import nearest_rows, nearest_rows_by_index
    from ..embeddings.vector_files import hash_file

    vectors = Path(arguments.index)
    if not vectors.is_file():
        raise InputError(f"there is no file {arguments.index!r}: `glot-hf embed` makes it")
    if vectors.suffix == ".parquet":
        require_extra("train", "pyarrow")
    record, digest = EmbeddingRecord.read(vectors), hash_file(vectors)
    if record.vectors not in (None, digest):
        raise InputError(
            f"{arguments.index!r} does not belong to the record {record.path_of(vectors).name} beside it: move both "
            "files together, or embed the texts again"
        )
    texts = _queries(rest.text, arguments.queries)
    queries = _encode([arguments.prompt + text for text in texts], record, arguments.model, trust)  # (Q, D)
    if arguments.faiss_index is None:
        scores, rows = nearest_rows(vectors, queries, arguments.top_k)
    else:
        scores, rows = nearest_rows_by_index(vectors, queries, arguments.top_k, arguments.faiss_index, digest)
    found = _texts_of(vectors, record, set(rows.flatten().tolist()) - {-1})  # -1: faiss found no more
    for query, *hits in zip(texts, scores.tolist(), rows.tolist()):
        for score, row in zip(*hits):
            if row >= 0:
                hit = {"query": query, "cosine": round(score, 6), "row": row, **found.get(row, {})}
                print(json.dumps(hit, ensure_ascii=False))


def _queries(texts: list[str], path: str | None) -> list[str]:
    from ..data.utf8 import require_typed_text
    from ..embeddings.text_files import TextFiles

    require_typed_text("the query", texts)
    if bool(texts) == (path is not None):
        raise InputError("name what to search for: either texts, or a file of them by --queries")
    if path is not None:
        texts = [row.text for row in TextFiles([path])]
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise InputError(f"query {number} is blank, so nothing is like it: leave it out")
    return texts


def _encode(texts: list[str], record, moved_to: str | None, trust: TrustArguments):
    """
    `(Q, D)`, by the model that made the vectors.

    Raises:
        InputError: it cannot be loaded, or is another one.
    """
    from ..embeddings.model_key import model_key

    kind = "model" if "model" in record.encoder else "backbone"
    asked = record.encoder | ({} if moved_to is None else {kind: moved_to}) | asdict(trust)
    try:
        model, tokenizer = load_encoder(**EncoderArguments(**asked).source)
    except InputError as error:
        if moved_to is None:
            raise
        made_by = f"{'head' if kind == 'model' else kind} {record.encoder[kind]!r}"
        raise InputError(f"the vectors were made by the {made_by}, not by {moved_to!r}: {error}") from error
    with user_errors():
        _require_same(record.key, model_key(model, tokenizer), asked[kind])
        return model.encode(texts, tokenizer)[:, : record.key.get("truncate_dim")]


def _require_same(stored: dict[str, Any], key: dict[str, Any], name: str) -> None:
    """
    Raises:
        InputError: the model called `name` is not the one that made the vectors.
    """
    import transformers

    from ..model.version_glot import __version__
    from ..states.key import differences

    key = {field: value for field, value in key.items() if field in stored}
    different = differences({field: stored[field] for field in key}, key)
    if not different:
        return
    versions = {"glot_hf_version": __version__, "transformers_version": transformers.__version__}
    if stored["weights"] != key["weights"] or versions.items() <= stored.items():
        raise InputError(
            f"the vectors were made by another model than {name}, with other {different}: name theirs with --model, "
            "or embed the texts again"
        )
    print(
        f"the vectors were made with other versions of glot_hf or transformers, and {name} differs in {different}: it "
        "may be another model than the one that made them",
        file=sys.stderr,
    )


def _texts_of(vectors: Path, record, rows: set[int]) -> dict[int, dict[str, str | int]]:
    """Return the id and text of each row; nothing, and say so, where their files are gone or hold other texts."""
    from ..embeddings.vector_files import read_rows

    try:
        if vectors.suffix == ".parquet":
            found = read_rows(vectors, rows)
        else:
            found = record.read_rows(rows)
    except InputError as error:
        print(f"no texts are shown: {error}", file=sys.stderr)
        return {}
    return {number: row._asdict() for number, row in found.items()}
