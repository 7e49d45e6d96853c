import pytest

from corpus.readers.crawl_time import crawl_time


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2021-09-28T23:59:59Z", "2021-09-28T23:59:59Z"),
        ("2021-09-28T23:59:59.999999Z", "2021-09-28T23:59:59Z"),
        ("2017-08-14 09:25:22+00:00", "2017-08-14T09:25:22Z"),
        ("2017-08-14 09:25:22", "2017-08-14T09:25:22Z"),
        ("2017-08-14T01:25:22+02:00", "2017-08-13T23:25:22Z"),
        ("2017-08-14", "2017-08-14T00:00:00Z"),
        ("9999-12-31T23:59:59-01:00", ""),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00+09:00", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_a_time_has_one_spelling(written: str, expected: str) -> None:
    assert crawl_time(written) == expected
