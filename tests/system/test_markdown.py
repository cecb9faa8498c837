from glot_hf.system.markdown import as_cell, format_table


def test_format_table():
    assert format_table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_a_cell_is_one_cell_in_one_line():
    assert as_cell("a|b\n <i>`c`") == "a\\|b &lt;i>\\`c\\`"
