"""The reader of Reddit's dumps: every shape a line has had since 2005, and what is no post."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from reddit_lines import a_comment, a_submission, as_lines, damaged, number, post, record, row

from corpus.drops import Drop
from corpus.readers.reddit import COMMENT, SUBMISSION, Posts, parse

BODY = "It&#39;s &gt; that."


COMMENT_LINES = {
    "2005-12": '"created_utc":1134365188,"retrieved_on":1473738411,"score":0,"edited":false,'
    '"controversiality":0,"distinguished":null,"gilded":0,"stickied":false,"subreddit":"reddit.com","ups":0',
    "2006-02": '"created_utc":1138752114,"retrieved_on":1473738412,"score":1,"edited":1138752200.0',
    "2007-11": '"created_utc":"1193875214","retrieved_on":1427426409,"score":1,"edited":1193875300,"name":"t1_c",'
    '"archived":true,"score_hidden":false,"downs":0',
    "2015-02": '"created_utc":"1422748800","retrieved_on":1424282558,"score":1,"edited":false,"name":"t1_c02cd9m",'
    '"report_reasons":null,"mod_reports":[],"user_reports":[],"replies":"","likes":null',
    "2015-03": '"created_utc":"1425168000","retrieved_on":1427476000,"score":1,"edited":false,"name":"t1_c02cd9m"',
    "2015-08": '"created_utc":"1438387200","retrieved_on":1440000000,"score":1,"edited":1438387300',
    "2015-12": '"created_utc":1448928000,"retrieved_on":1454000000,"score":1,"edited":1448928100',
    "2016-06": '"created_utc":1464739200,"retrieved_on":1469000000,"score":1,"edited":1464739300.0',
    "2016-08": '"created_utc":1470009600,"retrieved_on":1474000000,"score":1,"edited":1470009700.0',
    "2016-10": '"created_utc":1475280000,"retrieved_on":1478000000,"score":1,"edited":1475280100',
    "2017-10": '"created_utc":1506816000,"retrieved_on":1509000000,"score":null,"edited":false,'
    r'"permalink":"\/r\/pics\/comments\/5yba3\/x\/c02cd9m\/"',
    "2017-12": '"created_utc":1512086400,"retrieved_on":1514000000,"score":2,"edited":false,"is_submitter":true',
    "2018-03": '"created_utc":1519862400,"retrieved_on":1525000000,"score":2,"edited":1519862500.0,'
    '"rte_mode":"markdown","subreddit_type":"public","author_flair_richtext":[]',
    "2018-04": '"created_utc":1522540800,"retrieved_on":null,"score":2,"edited":false',
    "2018-05": '"created_utc":1525132800,"retrieved_on":1527000000,"score":2,"edited":1525132900',
    "2018-07": '"created_utc":1530403200,"retrieved_on":1536000000,"edited":false,"author_fullname":"t2_abc"',
    "2018-08": '"created_utc":1533081600,"retrieved_on":1539000000,"edited":false,"author_fullname":null,'
    '"gildings":{"gid_1":0,"gid_2":0,"gid_3":0}',
    "2021-02": '"created_utc":1612137600,"score":2,"edited":1612137700.0,"name":"t1_c02cd9m",'
    '"all_awardings":[{"id":"award_x","body":"not this","count":1}],"body_sha1":"0"',
    "2021-07": '"created_utc":1625097600,"retrieved_on":1627000000,"score":2,"edited":false',
    "2023-04": '"created_utc":1680307200,"retrieved_on":1680310000,"edited":false,"approved_at_utc":null,'
    '"media_metadata":{"giphy|x":{"status":"valid","id":"giphy|x"}}',
    "2023-11": '"created_utc":1698796800,"retrieved_on":1698800000,"score":2,"edited":false,'
    '"_meta":{"retrieved_2nd_on":1698930000,"was_deleted_later":true,"removal_type":"deleted","id":"no"}',
    "2024-02 re-serialised": '"created_utc": 1706745600.0, "score": 2, "edited": false',
}

SUBMISSION_LINES = {
    "2005-06": '"created_utc":1119552233,"score":1,"edited":false,"is_self":false,"over_18":false,'
    r'"media_embed":{},"secure_media":null,"url":"http:\/\/www.changethis.com\/"',
    "2005-10": '"created_utc":1128139200,"retrieved_on":1473820870,"score":1,"edited":false',
    "2006-08": '"created_utc":1154390400,"score":1,"edited":false',
    "2006-10": '"created_utc":1159660800,"edited":false,"preview":{"images":[{"id":"p"}]}',
    "2008-06": '"created_utc":1212278400,"retrieved_on":1473820872,"score":1,"edited":1212278500.0',
    "2011-01": '"created_utc":1293840000,"score":1,"edited":1293840100,"name":"t3_5yba3"',
    "2014-01": '"created_utc":"1388534400","retrieved_on":1441000000,"score":1,"edited":false,"name":"t3_5yba3"',
    "2015-12": '"created_utc":1448928000,"retrieved_on":1454000000,"score":1,"edited":1448928100',
    "2017-10": '"created_utc":1506816000,"retrieved_on":1509000000,"score":null,"edited":1506816100',
    "2018-03": '"created_utc":1519862400,"retrieved_on":1525000000,"edited":1519862500.0,"name":"t3_5yba3",'
    '"crosspost_parent_list":[{"id":"zzz","title":"not this","selftext":"nor this"}]',
    "2019-09": '"created_utc":1567296000,"retrieved_on":1573000000,"edited":false,"removed_by_category":null',
    "2020-05": '"created_utc":1588291200,"score":1,"edited":1588291300.0,"removed_by_category":"moderator"',
    "2023-11": '"created_utc":1698796800,"retrieved_on":1698800000,"score":1,"edited":false,"name":"t3_5yba3",'
    '"_meta":{"note":"no_2nd_retrieval"},"removed_by_category":"deleted"',
}


@pytest.mark.parametrize("month", COMMENT_LINES)
def test_reads_a_comment_of_every_month(month: str) -> None:
    used = ('"id":"c02cd9m","link_id":"t3_5yba3"', f'"parent_id":"t1_c02cd9l","body":"{BODY}","author":"x"')
    expected = {
        "kind": COMMENT,
        "thread": number("5yba3"),
        "id": number("c02cd9m"),
        "parent_kind": COMMENT,
        "parent": number("c02cd9l"),
        "live": 1,
        "chars": len(BODY),
        "text": BODY.encode(),
        "damage": 0,
        "repairs": 0,
    }
    assert post(f"{{{used[0]},{COMMENT_LINES[month]},{used[1]}}}") == expected
    assert post(f"{{{used[1]},{used[0]},{COMMENT_LINES[month]}}}") == expected


@pytest.mark.parametrize("month", SUBMISSION_LINES)
def test_reads_a_submission_of_every_month(month: str) -> None:
    line = f'{{"id":"5yba3",{SUBMISSION_LINES[month]},"title":"A \\u00e9 &amp; B","selftext":"{BODY}"}}'
    text = f"A é &amp; B\n\n{BODY}"
    assert post(line) == {
        "kind": SUBMISSION,
        "thread": number("5yba3"),
        "id": number("5yba3"),
        "parent_kind": 0,
        "parent": 0,
        "live": 1,
        "chars": len(text),
        "text": text.encode(),
        "damage": 0,
        "repairs": 0,
    }


@pytest.mark.parametrize("value", [None, True, 17, -1, 1.5, 10**30, "", "x", [], [{}], {"body": "x", "id": 1}])
def test_a_field_we_do_not_use_may_hold_anything(value: object) -> None:
    plain, more = post(a_comment()), post(a_comment(created_utc=value, score=value, _meta=value))
    assert plain == more


@pytest.mark.parametrize(
    "line",
    [
        record(id="c1", link_id="t3_5yba3"),
        record(link_id="t3_5yba3", body="text"),
        record(id="c1", body="text"),
        a_comment(id=None),
        a_comment(link_id=None),
        a_comment(link_id=""),
        a_comment(body=None),
        record(title="title"),
        a_submission(id=None),
        a_submission(title=None),
        b"{}",
    ],
)
def test_a_missing_field(line: bytes) -> None:
    assert post(line) == damaged(Drop.MISSING_FIELD)


@pytest.mark.parametrize("value", [0, False, 1.5, ["text"], {"text": 1}])
def test_a_text_that_is_no_string(value: object) -> None:
    assert post(a_comment(body=value)) == damaged(Drop.WRONG_TYPE)
    assert post(a_submission(title=value)) == damaged(Drop.WRONG_TYPE)
    assert post(a_submission(selftext=value)) == damaged(Drop.WRONG_TYPE)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"text",
        b"null",
        b"[]",
        b'"text"',
        b"[" + a_comment() + b"]",
        a_comment()[:-1],
        a_comment() + b"}",
        a_comment() + a_comment(),
        a_comment()[:-1] + b",}",
        a_comment()[:-1] + b',"x":NaN}',
        a_comment()[:-1] + b',"x":01}',
        a_comment()[:-1] + b',"x":"\\q"}',
        a_comment()[:-1] + b',"x":"\\u12"}',
        a_comment()[:-1] + b',"x":"\x01"}',
        b"\xef\xbb\xbf" + a_comment(),
    ],
)
def test_what_is_not_one_json_object_is_broken(line: bytes) -> None:
    assert post(line) == damaged(Drop.BROKEN_JSON)


def test_comment_or_submission_is_told_by_the_fields() -> None:
    posts = parse(
        as_lines([a_submission(), a_comment(), a_comment(title="t", selftext="s"), a_submission(body=None)])
    )
    assert posts.kind.tolist() == [SUBMISSION, COMMENT, COMMENT, SUBMISSION]


def test_a_submission_has_no_use_for_a_link_id() -> None:
    assert post(a_submission(link_id=[], parent_id="t3_x"))["damage"] == Drop.WRONG_TYPE
    assert post(a_submission(link_id="no id", parent_id="t3_x")) == post(a_submission())


TOMBS = [
    "[deleted]",
    "[removed]",
    "[Removed]",
    " [removed]\n",
    "[deleted by user]",
    "[ Removed by Reddit ]",
    "[removed by reddit]",
    "[ Removed by moderator ]",
    "[ Removed by reddit in response to a copyright notice. ]",
    "[ Removed by Reddit on account of violating the [content policy](/help/contentpolicy). ]",
    "[unavailable]",
    "",
    " \n\t\u00a0",
]


@pytest.mark.parametrize("text", TOMBS)
def test_a_tombstone_is_no_text(text: str) -> None:
    dead = {"live": 0, "chars": 0, "text": b"", "damage": 0}
    assert post(a_comment(body=text)).items() >= (dead | {"kind": COMMENT}).items()
    assert post(a_submission(title=text, selftext=text)).items() >= (dead | {"kind": SUBMISSION}).items()


@pytest.mark.parametrize(
    "text",
    [
        "[deleted]!",
        "x [deleted]",
        "[deleted",
        "deleted",
        "[]",
        "[](/b24)",
        "[removed] [deleted]",
        "[serious]",
        "]",
    ],
)
def test_what_only_looks_like_a_tombstone_is_text(text: str) -> None:
    assert post(a_comment(body=text)).items() >= {"live": 1, "chars": len(text), "text": text.encode()}.items()


@pytest.mark.parametrize(
    ("title", "selftext", "text"),
    [
        ("T", "", "T"),
        ("T", None, "T"),
        ("T", "[removed]", "T"),
        ("T", "[deleted]", "T"),
        ("T", " ", "T"),
        ("T", " s\n", "T\n\n s\n"),
        ("[deleted by user]", "[removed]", ""),
        ("[deleted by user]", "s", "s"),
    ],
)
def test_a_submission_is_what_is_live_of_title_and_selftext(title: str, selftext: str | None, text: str) -> None:
    read = post(a_submission(title=title, selftext=selftext))
    assert (read["text"], read["chars"], read["live"]) == (text.encode(), len(text), int(text != ""))


def test_a_submission_may_lack_its_selftext() -> None:
    assert post(record(id="5yba3", title="T"))["text"] == b"T"


def test_characters_are_code_points() -> None:
    assert post(a_comment(body="naïve 😀\u0000"))["chars"] == 8


@pytest.mark.parametrize(
    ("escaped", "text", "repairs"),
    [
        (rb"\ud83d\ude00", "😀", 0),
        (rb"\uD83D\uDE00", "😀", 0),
        (rb"a\ud83d", "a\ufffd", 1),
        (rb"\ude00b", "\ufffdb", 1),
        (rb"\ude00\ud83d", "\ufffd\ufffd", 2),
        (rb"\ud83d\ud83d\ude00", "\ufffd😀", 1),
        (rb"\ud83d\u0041", "\ufffdA", 1),
        (rb"\ud83d\n", "\ufffd\n", 1),
        (rb"\\ud83d", r"\ud83d", 0),
        (rb"\\\ud83d", "\\\ufffd", 1),
        (rb"\\ud83d\ud83d", "\\ud83d\ufffd", 1),
        (rb"\ufffd", "\ufffd", 0),
        (b"caf\xe9", "caf\ufffd", 1),
        (b"\xf0\x9f\x98", "\ufffd", 1),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd", 3),
        (b"\xc0\xaf", "\ufffd\ufffd", 2),
        (b"\xf0\xef\xbf\xbd", "\ufffd\ufffd", 1),
        (b"\xff\\ud83d", "\ufffd\ufffd", 2),
        ("\u2028\ufeff\x85".encode(), "\u2028\ufeff\x85", 0),
    ],
)
def test_what_is_not_unicode_is_replaced_and_counted(escaped: bytes, text: str, repairs: int) -> None:
    in_use = post(a_comment(body="@").replace(b"@", escaped))
    assert (in_use["damage"], in_use["text"].decode(), in_use["repairs"]) == (0, text, repairs)
    elsewhere = post(a_comment(subreddit="@").replace(b"@", escaped))
    assert elsewhere == post(a_comment()) | {"repairs": repairs}


def test_a_damaged_line_has_no_repairs() -> None:
    assert post(a_comment(id=None, subreddit="\ud83d")) == damaged(Drop.MISSING_FIELD)


@contextmanager
def recursion_limit(limit: int) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize("limit", [400, 1000, 100_000])
@pytest.mark.parametrize(
    ("depth", "damage"), [(500, 0), (1000, 0), (1020, 0), (1030, Drop.BROKEN_JSON), (200_000, Drop.BROKEN_JSON)]
)
def test_how_deep_a_line_may_nest_is_not_up_to_python(limit: int, depth: int, damage: int) -> None:
    arrays = b"[" * depth + b"]" * depth
    objects = b'{"":' * depth + b"0" + b"}" * depth
    with recursion_limit(limit):
        for nested in (arrays, objects):
            assert post(a_comment()[:-1] + b',"x":' + nested + b"}")["damage"] == damage


def test_many_brackets_are_not_depth() -> None:
    assert post(a_comment(body="[" * 5000))["chars"] == 5000


def test_a_damaged_line_keeps_its_damage() -> None:
    damage = [0, Drop.OVERSIZE_RECORD, Drop.TRUNCATED_RECORD, 0]
    posts = parse(as_lines([a_comment(), b"", a_comment(), a_submission()], damage))
    assert posts.damage.tolist() == damage
    assert row(posts, 1) == damaged(Drop.OVERSIZE_RECORD)
    assert row(posts, 2) == damaged(Drop.TRUNCATED_RECORD)
    assert (row(posts, 0), row(posts, 3)) == (post(a_comment()), post(a_submission()))


def test_no_lines_give_no_posts() -> None:
    posts = parse(as_lines([]))
    assert (len(posts), len(posts.text), posts.damage.tolist()) == (0, 0, [])


def test_columns_have_their_types() -> None:
    posts = parse(as_lines([a_comment(), b"{"]))
    types = {
        field.name: getattr(posts, field.name).dtype for field in dataclasses.fields(Posts) if field.name != "text"
    }
    assert types == {
        "kind": np.uint8,
        "thread": np.uint64,
        "id": np.uint64,
        "parent_kind": np.uint8,
        "parent": np.uint64,
        "live": np.uint8,
        "chars": np.uint32,
        "damage": np.uint8,
        "repairs": np.int32,
    }
