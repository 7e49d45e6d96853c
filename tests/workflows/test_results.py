from pathlib import Path

from workflows.benchmarks.results import table, write_section


def test_a_section_replaces_the_one_of_its_name_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    for name, text in (("build", "first"), ("duplicates", "kept"), ("build", "second")):
        write_section(name, text, path)
    once = path.read_text()
    assert once.startswith("# ")
    assert once.count("# Results") == 1
    assert "first" not in once
    assert once.index("second") < once.index("kept")
    write_section("build", "second", path)
    assert path.read_text() == once


def test_what_stands_between_sections_stays(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    path.write_text("by hand\n")
    write_section("a", "one", path)
    path.write_text(path.read_text() + "\nalso by hand\n")
    write_section("a", "two", path)
    assert path.read_text() == "by hand\n\n<!-- a -->\ntwo\n<!-- end of a -->\n\nalso by hand\n"


def test_a_table() -> None:
    assert table(["a", "b"], [["x", 1.0], ["y", 12]]) == "| a | b |\n| --- | --: |\n| x | 1.00 |\n| y | 12 |"
