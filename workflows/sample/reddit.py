"""Reddit's monthly dumps: made-up threads whose comments are sentences of the prose.

Fields and their types are those of December 2010 to February 2011: `created_utc` is a string in comments and an
integer in submissions, `name` is there, and submissions have no `retrieved_on`.

Source: the monthly schemas of Arctic Shift.
"""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from containers import PUSHSHIFT_WINDOW_LOG, DumpFile, bzip2, text_bytes, zstd
from draws import Draws
from planted import Place, Planting
from prose import Passage, sentences

# Bodies, titles and self texts as a part of the whole sample (unpublished: our choice).
SHARE = 0.155
DEEP_COMMENTS = 1000
# A comment answers the one before it, or the submission, or else any earlier one. With these sizes the longest
# chains keep about a third of the characters. Source: OPT, section 2.3, says 66% are cut.
ANSWERS_LAST, ANSWERS_TOP = 0.35, 0.22
THREAD_COMMENTS = (9, 300)
DELETED, REMOVED = 0.03, 0.01
# Threads whose submission is older than the sample.
OLDER_THREADS = 0.08
DAY = 86_400

DECEMBER = "reddit/comments/RC_2010-12.bz2"
JANUARY = "reddit/comments/RC_2011-01.zst"
FEBRUARY = "reddit/comments/RC_2011-02.zst"
SUBMISSIONS = "reddit/submissions/RS_2011-01.zst"
# The first second of each month and of the one after them, UTC.
DECEMBER_START, JANUARY_START, FEBRUARY_START, END = 1291161600, 1293840000, 1296518400, 1298937600

_TOP, _MISSING = -1, -2
_FIRST_SUBMISSION, _FIRST_COMMENT = int("ev000", 36), int("c1a0000", 36)
_MISSING_NAME = "t1_c0zzzzz"
_ALWAYS_NULL = ["banned_by", "selftext_html", "likes", "approved_by", "media", "num_reports", "distinguished"]
_ALWAYS_NULL += [f"{whose}_flair_{what}" for whose in ("author", "link") for what in ("text", "css_class")]
_ALWAYS_FALSE = ("clicked", "over_18", "hidden", "saved", "edited")
_SUBREDDITS = ("example_history", "example_science", "example_books", "example_software", "example_ask")


@dataclass(frozen=True)
class _Thread:
    title: str
    selftext: str
    author: str
    subreddit: str
    time: int


@dataclass(frozen=True)
class _Comment:
    """A comment; `parent` is the number of another, `_TOP` or `_MISSING`."""

    thread: int
    parent: int
    author: str
    body: str
    time: int


def generate(
    manual: Iterator[Passage], articles: Iterator[Passage], megabytes: float
) -> tuple[list[DumpFile], list[Planting]]:
    """Makes the monthly files, and says what is planted in them.

    Args:
        manual: Documentation to take sentences from.
        articles: An encyclopaedia to take sentences from.
        megabytes: The size of the whole sample.
    """
    forum = _Forum(_said(manual, articles))
    forum.plant()
    while forum.text_bytes < SHARE * megabytes * 1e6:
        forum.discuss()
    return _Dump(forum).files()


class _Forum:
    """The threads and comments, in the order they were made up.

    Attributes:
        planted: Kind, description, and the numbers of one comment or two.
    """

    def __init__(self, said: Iterator[str]) -> None:
        self.draws = Draws("reddit")
        self._said = said
        self.threads: list[_Thread] = []
        self.comments: list[_Comment] = []
        self.planted: list[tuple[str, str, int, int | None]] = []
        self.text_bytes = 0

    def discuss(self) -> None:
        """Adds one thread of a heavy-tailed number of comments."""
        thread = self._open()
        first = len(self.comments)
        smallest, largest = THREAD_COMMENTS
        for _ in range(self.draws.heavy_tailed(smallest, largest) - smallest + 1):
            said = len(self.comments) - first
            way = self.draws.unit()
            if said == 0 or way < ANSWERS_TOP:
                parent = _TOP
            elif way < ANSWERS_TOP + ANSWERS_LAST:
                parent = len(self.comments) - 1
            else:
                parent = first + self.draws.below(said)
            self._answer(thread, parent)

    def plant(self) -> None:
        """Adds the threads that a reader of chains trips over."""
        chain = self._chain(self._open(JANUARY_START + DAY), DEEP_COMMENTS, short=True)
        self.planted.append(("deep", f"{DEEP_COMMENTS} comments one below the other", chain[0], chain[-1]))

        thread = self._open(JANUARY_START + 2 * DAY)
        one, other = self._chain(thread, 6), self._chain(thread, 6)
        self.planted.append(("tie", "two chains of equal length", one[-1], other[-1]))

        thread = self._open(JANUARY_START + 3 * DAY)
        one, other = self._chain(thread, 5), self._chain(thread, 5)
        for number, echo in zip(one, other, strict=True):
            self.comments[echo] = replace(self.comments[echo], body=self.comments[number].body)
        self.planted.append(("tie", "two chains of equal length with the same words", one[-1], other[-1]))

        chain = self._chain(self._open(JANUARY_START + 4 * DAY), 4)
        self.comments[chain[0]] = replace(self.comments[chain[0]], parent=_MISSING)
        self.planted.append(("orphan", "the parent is in no file", chain[0], None))

        chain = self._chain(self._open(JANUARY_START + 5 * DAY), 3)
        self.comments[chain[0]] = replace(self.comments[chain[0]], parent=chain[-1])
        self.planted.append(("cycle", "three comments, each the parent of another", chain[0], chain[-1]))

        chain = self._chain(self._open(JANUARY_START + 6 * DAY), 7)
        for number, body, author in ((chain[2], "[deleted]", "[deleted]"), (chain[4], "[removed]", "user0001")):
            self.comments[number] = replace(self.comments[number], body=body, author=author)
            self.planted.append(("deleted parent", f"{body} in the middle of a chain of 7", number, None))

        chain = self._chain(self._open(FEBRUARY_START - DAY), 8, pause=DAY // 4)
        self.planted.append(("two months", "a chain of 8 over both months", chain[0], chain[-1]))

    def _open(self, time: int | None = None) -> int:
        if time is None:
            older = self.draws.chance(OLDER_THREADS)
            start, end = (DECEMBER_START + 25 * DAY, JANUARY_START) if older else (JANUARY_START, FEBRUARY_START)
            time = self.draws.between(start, end - 1)
        selftext = _escaped(" ".join(self._sentences(1, 6))) if self.draws.chance(0.5) else ""
        title = _escaped(next(self._said).rstrip(".")[:280])
        self.threads.append(_Thread(title, selftext, self._author(), self.draws.pick(_SUBREDDITS), time))
        if time >= JANUARY_START:
            self.text_bytes += text_bytes(title) + text_bytes(selftext)
        return len(self.threads) - 1

    def _chain(self, thread: int, length: int, *, short: bool = False, pause: int = 600) -> list[int]:
        numbers = [_TOP]
        for _ in range(length):
            before = self.comments[numbers[-1]].time if numbers[-1] != _TOP else self.threads[thread].time
            body = " ".join(next(self._said).split()[:8]) if short else next(self._said)
            numbers.append(
                self._say(_Comment(thread, numbers[-1], self._author(), _escaped(body), before + pause))
            )
        return numbers[1:]

    def _answer(self, thread: int, parent: int) -> None:
        before = self.threads[thread].time if parent == _TOP else self.comments[parent].time
        pause = self.draws.between(1, 15 * DAY) if self.draws.chance(0.2) else self.draws.heavy_tailed(90, DAY)
        fate, author, body = self.draws.unit(), self._author(), ""
        if fate < DELETED:
            author = body = "[deleted]"
        elif fate < DELETED + REMOVED:
            body = "[removed]"
        else:
            body = self._body("" if parent == _TOP else self.comments[parent].body)
        self._say(_Comment(thread, parent, author, body, min(before + pause, END - 1)))

    def _say(self, comment: _Comment) -> int:
        self.comments.append(comment)
        self.text_bytes += text_bytes(comment.body)
        return len(self.comments) - 1

    def _body(self, answered: str) -> str:
        """Markdown as it was typed, then its `<`, `>` and `&` escaped, as the dumps have it."""
        said = self._sentences(1, 2)
        way = self.draws.unit()
        if way < 0.10 and answered and not answered.startswith("["):
            quoted = html.unescape(answered).partition("\n")[0].removeprefix("> ")
            return _escaped(f"> {quoted}\n\n{' '.join(said)}")
        if way < 0.16:
            words = said[0].split()
            emphatic = self.draws.below(len(words))
            words[emphatic] = f"**{words[emphatic]}**"
            said[0] = " ".join(words)
        elif way < 0.22:
            said[-1] += f" [Here](http://www.example.com/{self.draws.below(10_000)}?a=1&b=2) is more."
        elif way < 0.26:
            return _escaped("\n".join(f"* {sentence}" for sentence in self._sentences(2, 4)))
        elif way < 0.34:
            return _escaped("\n\n".join(said))
        return _escaped(" ".join(said))

    def _sentences(self, low: int, high: int) -> list[str]:
        return [next(self._said) for _ in range(self.draws.between(low, high))]

    def _author(self) -> str:
        return f"user{self.draws.between(1, 2_000):04d}"


class _Dump:
    """The forum as files: names by time, lines by time, fields in any order."""

    def __init__(self, forum: _Forum) -> None:
        self._forum = forum
        self._draws = Draws("reddit dump")
        self._threads = _identities(_FIRST_SUBMISSION, [thread.time for thread in forum.threads])
        self._answers = Counter(comment.thread for comment in forum.comments)
        self._comments = _identities(_FIRST_COMMENT, [comment.time for comment in forum.comments])

    def files(self) -> tuple[list[DumpFile], list[Planting]]:
        """The files, and the places of what was planted."""
        forum = self._forum
        order = sorted(range(len(forum.comments)), key=lambda number: (forum.comments[number].time, number))
        months: dict[str, list[tuple[str, str]]] = {DECEMBER: [], JANUARY: [], FEBRUARY: []}
        places: dict[int, Place] = {}
        for number in order:
            comment = forum.comments[number]
            month = _month(comment.time)
            places[number] = Place(month, len(months[month]))
            months[month].append((self._comment_line(number), comment.body))
        planted = [
            Planting(kind, how, places[a], None if b is None else places[b]) for kind, how, a, b in forum.planted
        ]
        # What comes last changes no line's number.
        twice = next(number for number in order if forum.comments[number].time >= JANUARY_START)
        planted.append(
            Planting(
                "duplicate id", "again in a later month", places[twice], Place(FEBRUARY, len(months[FEBRUARY]))
            )
        )
        months[FEBRUARY].append((self._comment_line(twice), forum.comments[twice].body))
        for how, line in self._damaged(order[-1]):
            planted.append(Planting("damaged", how, Place(JANUARY, len(months[JANUARY]))))
            months[JANUARY].append((line, ""))
        lines = [
            (self._submission_line(number), thread.title + thread.selftext)
            for number, thread in sorted(enumerate(forum.threads), key=lambda item: (item[1].time, item[0]))
            if thread.time >= JANUARY_START
        ]
        return [_file(name, content) for name, content in (*months.items(), (SUBMISSIONS, lines))], planted

    def _comment_line(self, number: int) -> str:
        comment = self._forum.comments[number]
        thread, draws = self._forum.threads[comment.thread], self._draws
        parent = f"t3_{self._threads[comment.thread]}"
        if comment.parent != _TOP:
            parent = _MISSING_NAME if comment.parent == _MISSING else f"t1_{self._comments[comment.parent]}"
        score = draws.between(-5, 40)
        return self._line(
            {
                "subreddit_id": _subreddit_id(thread.subreddit),
                "edited": comment.time + 300 if draws.chance(0.03) else False,
                "link_id": f"t3_{self._threads[comment.thread]}",
                "id": self._comments[number],
                "gilded": 0,
                "archived": True,
                "author": comment.author,
                "parent_id": parent,
                "score": score,
                "body": comment.body,
                "author_flair_css_class": None,
                "downs": 0,
                "distinguished": None,
                "subreddit": thread.subreddit,
                "name": f"t1_{self._comments[number]}",
                "score_hidden": False,
                "author_flair_text": None,
                "created_utc": str(comment.time),
                "controversiality": 0,
                "ups": score,
                "retrieved_on": comment.time + 30 * DAY,
            }
        )

    def _submission_line(self, number: int) -> str:
        thread, identity = self._forum.threads[number], self._threads[number]
        score, is_self = self._draws.between(0, 300), bool(thread.selftext)
        slug = "_".join(word for word in thread.title.lower().split() if word.isascii() and word.isalnum())[:50]
        permalink = f"/r/{thread.subreddit}/comments/{identity}/{slug}/"
        url = f"http://www.reddit.com{permalink}" if is_self else f"http://www.example.com/{identity}"
        return self._line(
            dict.fromkeys(_ALWAYS_NULL)
            | dict.fromkeys(_ALWAYS_FALSE, False)
            | {
                "domain": f"self.{thread.subreddit}" if is_self else "example.com",
                "media_embed": {},
                "subreddit": thread.subreddit,
                "selftext": thread.selftext,
                "id": identity,
                "title": thread.title,
                "num_comments": self._answers[number],
                "score": score,
                "thumbnail": "",
                "subreddit_id": _subreddit_id(thread.subreddit),
                "downs": 0,
                "is_self": is_self,
                "permalink": permalink,
                "name": f"t3_{identity}",
                "created": thread.time + 28_800.0,
                "url": url,
                "author": thread.author,
                "created_utc": thread.time,
                "ups": score,
            }
        )

    def _line(self, fields: dict[str, object]) -> str:
        return json.dumps(dict(self._draws.shuffled(list(fields.items()))), separators=(",", ":"))

    def _damaged(self, number: int) -> Iterator[tuple[str, str]]:
        whole = self._comment_line(number)
        yield "broken json: cut short", whole[: len(whole) // 3]
        for how, changes in (("missing field: body", None), ("wrong type: body is a number", 7)):
            fields = json.loads(whole)
            # An id of its own: damage is not a duplicate.
            fields["id"] = f"c0{len(how):04d}"
            fields["name"] = f"t1_{fields['id']}"
            fields["body"] = changes
            if changes is None:
                del fields["body"]
            yield how, json.dumps(fields, separators=(",", ":"))


def _said(manual: Iterator[Passage], articles: Iterator[Passage]) -> Iterator[str]:
    """Sentences of an article, then of two passages of documentation, and so on."""
    for passage in manual:
        yield from sentences(passage)
        for more in (next(articles, None), next(manual, None)):
            if more is not None:
                yield from sentences(more)


def _escaped(markdown: str) -> str:
    return html.escape(markdown, quote=False)


def _identities(first: int, times: list[int]) -> list[str]:
    """Base-36 ids that grow with time."""
    names = [""] * len(times)
    for rank, number in enumerate(sorted(range(len(times)), key=lambda number: (times[number], number))):
        value, name = first + rank, ""
        while value:
            value, digit = divmod(value, 36)
            name = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + name
        names[number] = name
    return names


def _month(time: int) -> str:
    return DECEMBER if time < JANUARY_START else JANUARY if time < FEBRUARY_START else FEBRUARY


def _subreddit_id(subreddit: str) -> str:
    return f"t5_2zz0{_SUBREDDITS.index(subreddit)}"


def _file(name: str, lines: list[tuple[str, str]]) -> DumpFile:
    data = "".join(line + "\n" for line, _ in lines).encode("ascii")
    texts = Counter({"Reddit": sum(text_bytes(text) for _, text in lines)})
    if name == DECEMBER:
        packed = bzip2(data)
    elif name == FEBRUARY:
        packed = zstd(data)
    else:
        packed = zstd(data, window_log=PUSHSHIFT_WINDOW_LOG, checksum=True)
    return DumpFile(name, packed, len(lines), texts)
