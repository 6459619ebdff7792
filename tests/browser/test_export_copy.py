"""A finished copy in Chromium, from a `file:` address: its films play, its page finds every change, offline."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Browser, Page, expect

from recorder.exportjob import page as page_bytes
from recorder.manifest import MANIFEST_NAME, PAGE_NAME, SIGNATURE_NAME, fingerprint, sign_manifest
from tests.browser.conftest import HANG_MS, shoot
from tests.fakes.copies import KEY, copy_over_a_gap, disk, finished, over_a_gap, planned, unpack
from tests.fakes.footage import START_MS

pytestmark = pytest.mark.browser
MARK = fingerprint(KEY.public_key().public_bytes_raw())


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy over a gap and nine segments of three runs."""
    return copy_over_a_gap(tmp_path_factory.mktemp("copy"))


@pytest.fixture
def opened(chromium: Browser, copy: Path) -> Iterator[Page]:
    """The page of the copy, opened as a file; whatever it asks a network for, or throws, fails the test."""
    yield from visit(chromium, copy)


def visit(
    chromium: Browser, copy: Path, size: tuple[int, int] = (1440, 900), language: str = "vi-VN"
) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, locale=language, offline=True)
    page = context.new_page()
    page.set_default_timeout(HANG_MS)
    asked, wrong = list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto((copy / PAGE_NAME).as_uri())
    yield page
    context.close()
    assert [url for url in asked if not url.startswith("file:")] == []
    assert wrong == []


def choose(page: Page, folder: Path) -> None:
    """Choose the folder as a person does with the button."""
    page.locator("#folder-input").set_input_files(folder)


def verdict_of(page: Page, files: dict[str, bytes], *, own: bool) -> list[tuple[str, str]]:
    """Let the page's check judge these files, with the browser's cryptography or its own."""
    script = """async ([files, own]) => {
      const list = Object.entries(files).map(([name, text]) =>
        [name, new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name)]);
      return (await verifier.check(list, () => undefined, own)).problems.map(({ file, kind }) => [file, kind]);
    }"""
    coded = {name: base64.b64encode(data).decode() for name, data in files.items()}
    return [(file, kind) for file, kind in page.evaluate(script, [coded, own])]


def test_an_intact_copy_is_called_intact(opened: Page, copy: Path) -> None:
    """The folder is chosen, every file is intact, the gap and its cause are told, the printed mark is compared."""
    choose(opened, copy)
    expect(opened.locator("#verdict.good")).to_contain_text("Nguyên vẹn")
    expect(opened.locator("#list-rows td.intact")).to_have_count(len(list(copy.iterdir())))
    expect(opened.locator("#mark")).to_have_text(MARK)
    expect(opened.locator("#gap-rows li").first).to_contain_text("07:00:12")
    expect(opened.locator("#gap-rows li").first).to_contain_text("không tới được camera (luồng chính)")
    expect(opened.locator("#facts-rows")).to_contain_text("Trường Mầm non Hoa Sen")
    expect(opened.locator("#facts-rows")).to_contain_text("chưa được tin cậy")
    expect(opened.locator("#limits li")).to_have_count(4)
    opened.get_by_label("Gõ hoặc dán dấu").fill(MARK.upper())
    expect(opened.locator("#same")).to_contain_text("Trùng")
    opened.get_by_label("Gõ hoặc dán dấu").fill("0123")
    expect(opened.locator("#same")).to_contain_text("Không trùng")


@pytest.mark.parametrize("size", [(390, 844), (1440, 900)])
def test_it_speaks_both_languages_and_fits(chromium: Browser, copy: Path, size: tuple[int, int]) -> None:
    """English by the browser or the button; nothing is wider than the screen; all is reached by the keyboard."""
    for page in visit(chromium, copy, size, "en-GB"):
        expect(page.get_by_role("heading", level=1)).to_have_text("Check a copy of footage")
        choose(page, copy)
        expect(page.locator("#verdict")).to_contain_text("Intact")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shoot(page, f"kiem-tra-{size[0]}")
        seen = []
        page.evaluate("document.body.focus()")
        for _ in range(4):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.id"))
        assert seen == ["lang", "folder", "files", "printed"]
        page.locator("#lang").press("Enter")
        expect(page.locator("#verdict")).to_contain_text("Nguyên vẹn")


@pytest.mark.parametrize("own", [False, True])
def test_any_flipped_byte_is_named(opened: Page, copy: Path, own: bool) -> None:
    """A flip in a file of each kind: that file, and no other, is called altered, with either cryptography."""
    whole = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert verdict_of(opened, whole, own=own) == []
    rng = random.Random(5)
    for name in sorted(whole)[:3] + sorted(whole)[-4:]:
        for _ in range(2):
            data = bytearray(whole[name])
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
            assert verdict_of(opened, whole | {name: bytes(data)}, own=own) == [(name, "altered")]


def test_missing_strange_and_forged_files_are_named(opened: Page, copy: Path) -> None:
    """As the command says it: missing, stranger, renamed, a manifest nobody signed, a signature of another box."""
    whole = {path.name: path.read_bytes() for path in copy.iterdir()}
    less = {name: data for name, data in whole.items() if name != "phim-01.mp4"}
    assert verdict_of(opened, less, own=True) == [("phim-01.mp4", "missing")]
    assert verdict_of(opened, whole | {"la.txt": b"x"}, own=True) == [("la.txt", "extra")]
    assert verdict_of(opened, less | {"khac.mp4": whole["phim-01.mp4"]}, own=True) == [("khac.mp4", "renamed")]
    lie = whole[MANIFEST_NAME].replace(b"network", b"camera!")
    assert verdict_of(opened, whole | {MANIFEST_NAME: lie}, own=False) == [(MANIFEST_NAME, "altered")]
    assert verdict_of(opened, {"phim-01.mp4": b""}, own=True) == [
        (MANIFEST_NAME, "missing"),
        (SIGNATURE_NAME, "missing"),
    ]
    other = sign_manifest(lie, Ed25519PrivateKey.from_private_bytes(b"x" * 32))
    assert verdict_of(opened, whole | {MANIFEST_NAME: lie, SIGNATURE_NAME: other}, own=True) == []


def test_an_altered_folder_is_told_in_words(opened: Page, copy: Path) -> None:
    """The person reads which file was altered and which is strange, in a sentence."""
    film = copy / "phim-01.mp4"
    whole = film.read_bytes()
    film.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (copy / "la.txt").write_text("x")
    try:
        choose(opened, copy)
        expect(opened.locator("#verdict.bad")).to_contain_text("phim-01.mp4 đã bị sửa sau khi ký")
        expect(opened.locator("#verdict")).to_contain_text("la.txt không thuộc bản trích xuất này")
        shoot(opened, "kiem-tra-altered")
    finally:
        film.write_bytes(whole)
        (copy / "la.txt").unlink()


def test_its_own_cryptography_is_right(opened: Page) -> None:
    """SHA-256 and SHA-512 at every length around their blocks; Ed25519 by the vectors of RFC 8032 §7.1."""
    for length in (0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1000):
        data = bytes(range(256)) * 4
        data = data[:length]
        sums = opened.evaluate(
            """(bytes) => [verifier.sumOf(Uint8Array.from(bytes)), [...verifier.sha512(Uint8Array.from(bytes))]]""",
            list(data),
        )
        assert sums[0] == hashlib.sha256(data).hexdigest(), length
        assert bytes(sums[1]) == hashlib.sha512(data).digest(), length
    for key, message, signature in VECTORS:
        parts = [list(bytes.fromhex(item)) for item in (key, signature, message)]
        script = "(parts) => verifier.ed25519Own(...parts.map((part) => Uint8Array.from(part)))"
        assert opened.evaluate(script, parts) is True
        for number, place in ((0, 3), (1, 5), (1, 40), (2, 0)):
            bent: list[Any] = [list(part) for part in parts]
            if bent[number]:
                bent[number][place] ^= 1
                assert opened.evaluate(script, bent) is False


def test_large_files_are_summed_in_pieces(opened: Page) -> None:
    """A file over the piece size gives the same sum, with progress told for each piece."""
    script = """async () => {
      const bytes = new Uint8Array(9 << 20).fill(7), steps = [];
      return [await verifier.sha256(new File([bytes], 'x'), (n) => steps.push(n), true), steps];
    }"""
    digest, steps = opened.evaluate(script)
    assert digest == hashlib.sha256(b"\7" * (9 << 20)).hexdigest()
    assert steps == [4 << 20, 4 << 20, 1 << 20]


def test_films_and_originals_play(chromium: Browser, copy: Path, tmp_path: Path) -> None:
    """Chromium shows the film with its length and its last picture; so it does the head with all fragments."""
    parts = [*copy.glob("goc-*-dau.mp4"), *sorted(copy.glob("goc-*.m4s"))]
    joined = tmp_path / "goc.mp4"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts[:4]))
    page = chromium.new_context().new_page()
    for path, length in ((copy / "phim-01.mp4", 25.0), (joined, None)):
        page.goto(path.as_uri())
        found = page.evaluate(
            """async () => {
              const video = document.querySelector('video');
              if (video.readyState < 2) await new Promise((done) => video.addEventListener('loadeddata', done));
              video.muted = true;
              await video.play();
              const start = video.currentTime;
              await new Promise((done) => { const wait = () => video.currentTime > start ? done() : setTimeout(wait, 50); wait(); });
              video.pause();
              return [video.videoWidth, video.videoHeight, video.duration, video.error && video.error.message];
            }"""
        )
        assert (found[0], found[1], found[3]) == (128, 64, None)
        if length is not None:
            assert found[2] == pytest.approx(length, abs=0.05)
    page.context.close()


def test_the_page_allows_only_its_own_script() -> None:
    """The policy names the script and the style by their sums, and lets nothing be fetched."""
    text = page_bytes().decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    for tag, name in (("script", "script-src"), ("style", "style-src")):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert not re.search(r"""(?:src|href)=|https?://""", text)


VECTORS = (
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
)


HOSTILE = "<img src=x onerror=alert(1)></script><b>Lớp</b>"


def test_names_are_words_and_each_quality_of_time_is_said(chromium: Browser, tmp_path: Path) -> None:
    """Markup in a name of the camera, the school, an id or a cause stays text; no poor time passes for a good one."""
    worths = {"1": "arrival", "2": "stepped"}  # of the third run nobody noted anything
    with disk(tmp_path) as box:
        plan = planned(
            box, over_a_gap(box), camera={"id": "c" * 16, "name": HOSTILE}, site={"name": HOSTILE, "zone": "Asia/Tokyo"},
            who={"requester": HOSTILE, "approver": HOSTILE}, runs=worths,
            ledger=[[1, START_MS + 12_000, START_MS + 19_000, HOSTILE]],
        )  # fmt: skip
        hostile = unpack(finished(box, plan), tmp_path)
    for page in visit(chromium, hostile, language="en-GB"):
        choose(page, hostile)
        expect(page.locator("#verdict.good")).to_contain_text("Intact")
        facts = page.locator("#facts-rows")
        assert (facts.inner_text().count(HOSTILE), page.locator("#gap-rows").inner_text().count(HOSTILE)) == (4, 1)
        assert page.locator("img, main b, main script").count() == 0
        for words in ("The camera's clock was wrong", "Times put right", "It is not known how"):
            expect(facts).to_contain_text(words)
        expect(facts).not_to_contain_text("was trusted when")
