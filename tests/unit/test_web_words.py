"""Catalogues, languages, and that no text for people stands in code."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

import pytest
from starlette.requests import Request

from gateway.core.i18n import catalogue
from tests.fakes.clock import NOON_MS
from web.i18n import Words, language_of, texts

WEB = Path(__file__).parents[2] / "web"
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
SCRIPTS = sorted((WEB / "static" / "js").glob("*.js"))
HUB = "hub"
LETTER = re.compile(r"[^\W\d_]")
SPOKEN = ("alt", "aria-label", "placeholder", "title", "content")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    """Every text exists twice, and takes the same values."""
    vi, en = texts("vi").texts, texts("en").texts
    assert set(vi) == set(en)
    assert {key: fields(text) for key, text in vi.items()} == {key: fields(text) for key, text in en.items()}
    marks = ("cli.",)  # the command line's own: some are blank for alignment
    assert [key for key, text in [*vi.items(), *en.items()] if not text.strip() and not key.startswith(marks)] == []


@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_files_are_flat_sorted_and_do_not_hide_the_cores_texts(language: str) -> None:
    """One text has one home."""
    raw = json.loads((WEB / "locale" / f"{language}.json").read_text(encoding="utf-8"))
    assert list(raw) == sorted(raw)
    assert all(isinstance(text, str) for text in raw.values())
    assert set(raw) & set(catalogue(language).texts) == set()


def used_keys() -> set[str]:
    """Keys that templates and scripts name in full."""
    found: set[str] = set()
    for path in TEMPLATES:
        found |= set(re.findall(r"""\bt\(\s*["']([a-z0-9_.]+)["']\s*[,)]""", path.read_text(encoding="utf-8")))
    for path in SCRIPTS:
        found |= set(re.findall(r"""\bt\(\s*'([a-z0-9_.]+)'""", path.read_text(encoding="utf-8")))
    return found


def test_every_text_that_is_asked_for_exists() -> None:
    """A template or script never names a key that is in no catalogue."""
    assert used_keys() - set(texts("vi").texts) == set()


def test_keys_that_are_put_together_exist() -> None:
    """Keys with a variable part have a text for every value it can take."""
    from gateway.access.facts import BlockKind
    from gateway.core.model import StreamRole
    from recorder.gaps import GapCause
    from web.views import SCREENS, TROUBLE_ORDER

    made = {f"cam.{kind}.{trouble}" for kind in ("trouble", "note", "state") for trouble in TROUBLE_ORDER}
    made |= {f"block.{kind}" for kind in BlockKind} | {f"weekday.{day}" for day in range(7)}
    titled = {screen for screen in SCREENS.values() if screen != "holiday"} | {"offline"}
    made |= {f"screen.{screen}" for screen in titled}
    made |= {f"screen.{screen}.more" for screen in titled - {"nap", "offline"}}
    made |= {f"reason.gap.{cause}" for cause in GapCause} | {f"review.wd.{day}" for day in range(7)}
    made |= {f"review.zoom.{level}" for level in ("day", "hour", "near")}
    made |= {f"review.stream.{stream}" for stream in StreamRole}
    states = ("empty", "denied", "locked", "disk", "server", "gone", "codec", "corrupt")
    made |= {f"review.state.{state}{more}" for state in states for more in ("", ".more")}
    assert made - set(texts("vi").texts) == set()


class Prose(HTMLParser):
    """Collects text and spoken attributes of a template, scripts and style attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.prose: list[str] = []
        self.inline: list[str] = []
        self._skip = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        for name, value in attrs:
            if name in SPOKEN and value and LETTER.search(value) and not (tag == "meta" and name == "content"):
                self.prose.append(f"{name}={value}")
            if name == "style" or name.startswith("on") or (value or "").startswith("javascript:"):
                self.inline.append(f"{tag} {name}")
        if tag == "style" or (tag == "script" and "src" not in names):
            self.inline.append(tag)

    def handle_data(self, data: str) -> None:
        if LETTER.search(data):
            self.prose.append(data.strip())


def without_jinja(text: str) -> str:
    return re.sub(r"{#.*?#}|{{.*?}}|{%.*?%}", " ", text, flags=re.DOTALL)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_text_for_people_stands_in_a_template(path: Path) -> None:
    """All of it comes from the catalogue."""
    parser = Prose()
    parser.feed(without_jinja(path.read_text(encoding="utf-8")))
    assert parser.prose == []


@pytest.mark.parametrize("path", [*TEMPLATES, *sorted((WEB / "templates").rglob("*.svg"))], ids=lambda path: path.name)
def test_nothing_inline_stands_in_a_template(path: Path) -> None:
    """No script, style element, style attribute or event handler: the content policy would refuse it."""
    parser = Prose()
    parser.feed(without_jinja(path.read_text(encoding="utf-8")))
    assert parser.inline == []


STRING = re.compile(r"'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_text_for_people_stands_in_a_script(path: Path) -> None:
    """String literals hold no Vietnamese letters and no two words of prose in a row."""
    code = re.sub(r"//[^\n]*|/\*.*?\*/", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    literals = [re.sub(r"\$\{[^}]*\}", " ", a or b) for a, b in STRING.findall(code)]
    marked = [text for text in literals if any(letter.isalpha() and not letter.isascii() for letter in text)]
    prose = [text for text in literals if re.search(r"\b[A-Z][a-z]+ [a-z]+ [a-z]+", text)]
    assert marked + prose == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_build_no_markup_and_reach_no_other_origin(path: Path) -> None:
    """No markup from strings, no evaluation, no foreign address, no log."""
    code = path.read_text(encoding="utf-8")
    forbidden = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "console.",
        "http:",
        "https:",
    )
    found = [word for word in forbidden if word in code.replace("http://www.w3.org/2000/svg", "")]
    assert found == []


@pytest.mark.parametrize(
    "path", [*SCRIPTS, *TEMPLATES, *sorted((WEB / "static" / "css").glob("*.css"))], ids=lambda path: path.name
)
def test_files_stay_short(path: Path) -> None:
    """No file beyond 400 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


# choosing a language


def request(query: str = "", cookie: str = "", header: str = "") -> Request:
    headers = [(b"accept-language", header.encode()), (b"cookie", cookie.encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": headers})


@pytest.mark.parametrize(
    ("query", "cookie", "site", "language"),
    [
        ("", "", "vi", "vi"),
        ("", "", "en", "en"),
        ("lang=en", "vuon-lang=vi", "vi", "en"),
        ("lang=fr", "vuon-lang=en", "vi", "en"),
        ("", "vuon-lang=vi", "en", "vi"),
        ("", "vuon-lang=%22", "vi", "vi"),
        ("lang=../../etc", "", "vi", "vi"),
    ],
)
def test_language_of_a_request(query: str, cookie: str, site: str, language: str) -> None:
    """The question mark wins over the cookie, the cookie over the school; an English browser counts for nothing."""
    assert language_of(request(query, cookie, "en-US,en;q=0.9"), site) == language


def test_values_are_escaped_when_they_enter_a_text() -> None:
    """A camera's or child's name cannot become markup."""
    text = Words("vi", "Asia/Ho_Chi_Minh").text("class.day", name="<script>")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_times_are_the_schools() -> None:
    """Clock, weekday and date in the site's zone, whatever the machine's."""
    words = Words("vi", "Asia/Ho_Chi_Minh")
    assert words.clock(NOON_MS) == "12:00"
    assert words.day(NOON_MS) == "Thứ Bảy, 21/11/2026"
    assert Words("en", "Asia/Ho_Chi_Minh").day(NOON_MS) == "Saturday 21/11/2026"


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0, "1 phút"), (15, "15 phút"), (59.5, "1 giờ"), (60, "1 giờ"), (135, "2 giờ 15 phút"), (1500, "1 ngày")],
)
def test_lengths_are_rounded_up_to_minutes(minutes: float, text: str) -> None:
    """What is left is never told shorter than it is."""
    assert Words("vi", "Asia/Ho_Chi_Minh").duration(int(minutes * 60_000)) == text


def test_a_reason_without_a_text_says_only_not_now() -> None:
    """A newer policy's code does not become an error page."""
    words = Words("vi", "Asia/Ho_Chi_Minh")
    assert words.reason("no.such.reason") == words.catalogue.texts["reason.other"]
    assert words.reason("plan.nap") == words.catalogue.texts["reason.plan.nap"]
