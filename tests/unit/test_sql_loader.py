"""Named SQL blocks: what is read, and what is refused when the module that owns them is imported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import sql

TEXT = """-- What this file is about.

-- name: first
-- A remark.
SELECT 1;

--name: second_2
SELECT '-- name: inside a line is none';
"""


def test_blocks_are_attributes() -> None:
    queries = sql.parse(TEXT, source="a.sql")
    assert queries.first == "-- A remark.\nSELECT 1;"
    assert queries.second_2 == "SELECT '-- name: inside a line is none';"
    assert list(queries) == ["first", "second_2"]
    assert "first" in dir(queries)


def test_a_missing_name_says_what_there_is() -> None:
    queries = sql.parse(TEXT, source="a.sql")
    with pytest.raises(AttributeError, match=r"a\.sql has no query named 'third' \(it has: first, second_2\)"):
        _ = queries.third


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1;\n-- name: a\nSELECT 2;", "SQL before"),
        ("SELECT 1;", "SQL before"),
        ("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;", "two queries"),
        ("-- name: Not-A-Name\nSELECT 1;", "no query name"),
        ("-- name:\nSELECT 1;", "no query name"),
        ("-- name: a\n-- nothing\n-- name: b\nSELECT 1;", "'a' is empty"),
        ("-- name: a\n", "'a' is empty"),
    ],
)
def test_faulty_files_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sql.parse(text, source="a.sql")


def test_a_file_inside_a_package_is_found() -> None:
    assert "relkind" in sql.load("storage", "partitions.sql").is_partitioned
    with pytest.raises(FileNotFoundError):
        sql.load("storage", "none.sql")


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True), st.integers(), min_size=1, max_size=5))
def test_what_is_written_is_read(numbers: dict[str, int]) -> None:
    text = "".join(f"-- name: {name}\nSELECT {number};\n" for name, number in numbers.items())
    queries = sql.parse(text, source="x")
    assert {name: getattr(queries, name) for name in queries} == {n: f"SELECT {i};" for n, i in numbers.items()}
