from glot_hf.benchmark.long import measure_peak


TINY = ["--input_size", 16, "--gnn_hidden_size", 8, "--graph_block_size", 16, "--repeats", 2]


def test_dense_and_blocked_are_measured(benchmark, same_process):
    record = benchmark("long", "--lengths", 32, 64, *TINY)
    measured = record["measurements"]
    assert [(m["side"], m["length"]) for m in measured] == [
        ("dense", 32),
        ("blocked", 32),
        ("dense", 64),
        ("blocked", 64),
    ]
    assert all(len(m["seconds"]) == 2 for m in measured)
    assert all(m["growth"]["length"] == 2 for m in measured[2:])


def test_dense_is_skipped_where_memory_would_not_do(benchmark, monkeypatch, capsys):
    def measured(function, side, length, arguments):
        timed = {"seconds": [1.0], "median_seconds": 1.0, "resident_bytes": 1}
        return length**2 if function is measure_peak else timed

    monkeypatch.setattr("glot_hf.benchmark.long.in_fresh_process", measured)
    record = benchmark("long", "--lengths", 1024, 32768, "--max_memory", 0.5)
    assert [(m["side"], m["length"]) for m in record["measurements"]] == [
        ("dense", 1024),
        ("blocked", 1024),
        ("blocked", 32768),
    ]
    assert "dense at 32,768 is skipped: it would need about 1 GiB" in capsys.readouterr().out
