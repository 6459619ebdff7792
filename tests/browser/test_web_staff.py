"""Staff pages in a real browser: sign-in, the grid, one camera."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from gateway.core.model import Role
from tests.browser.conftest import Site, shoot
from tests.fakes.web_services import CHOI, CLASS_MAM, LA, MAM, MOTHER, PRINCIPAL, YARD, pid
from web.consent_services import CaseView
from web.room_services import Wish
from web.services import OpenView

pytestmark = pytest.mark.browser
TROUBLED_SINCE_MS = 1_790_217_720_000
"""09:42, 33 minutes before the site's clock."""


def test_signing_in_with_a_code_leads_to_the_grid(site: Site) -> None:
    """A wrong code says so; the right one opens the live grid."""
    site.box.codes = {"K7PX-29QF": PRINCIPAL}
    page = site.visit("/vao")
    shoot(page, "login-1440x900")
    page.get_by_label("Mã đăng nhập").fill("sai-ma")
    page.get_by_role("button", name="Đăng nhập").click()
    expect(page.get_by_role("alert")).to_contain_text("Mã không dùng được")
    shoot(page, "login-refused")
    page.get_by_label("Mã đăng nhập").fill("K7PX-29QF")
    page.get_by_role("button", name="Đăng nhập").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Xem trực tiếp")
    page.get_by_role("button", name="Đăng xuất").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Đăng nhập")


def test_the_grid_shows_a_still_in_every_tile(site: Site) -> None:
    """Every tile holds a picture with its label although no video can be had; order is the box's."""
    site.box.views = [OpenView(MAM, pid(f"g{n}"), "PH", Role.GUARDIAN, 1) for n in range(4)]
    page = site.visit("/", PRINCIPAL)
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(4)
    for index in range(4):
        tile = tiles.nth(index)
        expect(tile.locator("live-view > img")).to_be_visible()
        assert tile.locator("live-view > img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
        expect(tile.locator(".chip-at")).to_contain_text("Ảnh")
    assert tiles.locator(".cap b").all_text_contents() == ["Lớp Mầm 1", "Lớp Chồi 1", "Lớp Lá 1", "Sân chơi"]
    expect(page.locator("#watching")).to_have_text("4 phụ huynh đang xem")
    expect(tiles.nth(3).locator(".m")).to_contain_text("Chỉ nhà trường")


def test_trouble_rises_in_the_strip_and_tiles_do_not_move(site: Site) -> None:
    """An offline camera says since when, keeps its place and its last picture, small and dated; who waits comes after."""
    site.box.waiting = {"people": 2}
    down = {"state": "down", "recording": False, "since_ms": TROUBLED_SINCE_MS}
    site.box.status_of[CHOI] |= down
    site.box.status_of[LA] |= {"recording": False}
    site.box.still_age_ms = 1_980_000
    page = site.visit("/", PRINCIPAL)
    expect(page.locator("#strip a")).to_have_count(3)
    expect(page.locator("#strip a").nth(2)).to_have_attribute("href", "/phu-huynh/cho-duyet")
    expect(page.locator("#strip a").nth(0)).to_contain_text("Lớp Lá 1 không ghi hình")
    expect(page.locator("#strip a").nth(1)).to_contain_text("từ 09:42, đã 33 phút")
    plate = page.locator(".tile").nth(1).locator(".nopic")
    expect(plate).to_contain_text("Mất kết nối")
    expect(plate.locator("figcaption")).to_have_text("hình cuối 09:42")
    assert page.locator(".cap b").all_text_contents()[1] == "Lớp Chồi 1"
    page.get_by_role("button", name="Có vấn đề").click()
    expect(page.locator(".tile:visible")).to_have_count(2)
    page.wait_for_timeout(2500)  # several failed tries for video later it still stands there
    expect(page.locator(".nopic:visible")).to_have_count(2)
    shoot(page, "grid-trouble")


def test_an_old_picture_says_how_old_it_is(site: Site) -> None:
    """No frame older than 3 s stands there without its age in words."""
    site.box.still_age_ms = 9_000
    page = site.visit("/", PRINCIPAL)
    expect(page.locator("live-view").first).to_contain_text("giây trước")


@pytest.mark.parametrize("count", [12, 16])
@pytest.mark.parametrize("size", [(1440, 900), (1366, 650), (1024, 768), (1920, 1080)])
def test_all_tiles_fit_without_scrolling(site: Site, size: tuple[int, int], count: int) -> None:
    """Twelve cameras stand on one screen, whatever its shape, and so do sixteen."""
    for number in range(count - 4):
        camera = pid(f"more{number}")
        site.box.status_of[camera] = {"id": camera, "name": f"Phòng {number}", "state": "up", "recording": True}
        site.box.stills[camera] = site.box.stills[MAM]
    site.box.extra = [pid(f"more{number}") for number in range(count - 4)]
    page = site.visit("/", PRINCIPAL, size=size)
    expect(page.locator(".tile")).to_have_count(count)
    expect(page.locator(".tile live-view > img").last).to_be_visible()
    shoot(page, f"live-{count}-{size[0]}x{size[1]}")
    page.evaluate("document.fonts.ready.then(() => true)")  # a late font may still move the last row
    assert page.evaluate("document.documentElement.scrollHeight") <= size[1]


def test_stopping_all_sharing_takes_two_taps(site: Site) -> None:
    """The first tap asks, the second acts; the page shows the new state at once, and the way back."""
    site.box.views = [OpenView(MAM, MOTHER.person, MOTHER.name, Role.GUARDIAN, 1)]
    page = site.visit("/", PRINCIPAL)
    button = page.locator("#sharing")
    expect(button).to_have_text("Tạm dừng")
    button.click()
    expect(button).to_have_text("Bấm lần nữa: dừng 1 phụ huynh")
    assert [call for call in site.box.calls if call.startswith("stop")] == []
    button.click()
    expect(page.locator("#watching")).to_have_text("Đã dừng chia sẻ")
    assert site.box.stopped.stopped
    expect(button).to_have_text("Mở lại")
    expect(page.locator("#watching-more")).to_have_text("từ 10:15, nhà trường vẫn ghi hình")


def test_a_change_reaches_an_open_page_by_itself(site: Site) -> None:
    """Somebody starts watching; a camera fails: the grid learns it over server-sent events."""
    page = site.visit("/", PRINCIPAL)
    expect(page.locator("#watching")).to_have_text("0 phụ huynh đang xem")
    site.box.views = [OpenView(MAM, MOTHER.person, MOTHER.name, Role.GUARDIAN, 1)]
    site.box.status_of[YARD] |= {"state": "silent"}
    site.box.clock.tick(2)  # type: ignore[attr-defined]  # the fake's own
    expect(page.locator("#watching")).to_have_text("1 phụ huynh đang xem")
    expect(page.locator(".tile").nth(3).locator(".m")).to_have_text("Xem cách xử lý")


def test_a_wish_rises_above_the_pictures_and_is_answered_there_at_one_tap(site: Site) -> None:
    """It comes while the page is open, on a phone as on a desk; the answer leaves the page and its pictures alone."""
    for size in ((1440, 900), (390, 844), (320, 640)):
        page = site.visit("/", PRINCIPAL, size=size)
        expect(page.locator(".waits")).to_have_count(0)
        page.evaluate("globalThis.same = document.querySelector('live-view')")
        site.box.school.rooms.put(CLASS_MAM, used=5, wish=Wish(3, "Cô Hạnh", 15, site.box.clock.now_ms()))
        site.box.consents.open_cases = [
            CaseView(pid("an"), "Bé An", CLASS_MAM, "Lớp Mầm 1", "view", "withdrawal", True, 1, 2)
        ]
        site.box.clock.tick(2)  # type: ignore[attr-defined]  # the fake's own
        expect(page.locator(".waits")).to_have_count(2)
        expect(page.locator(".waits").first).to_contain_text("Lớp Mầm 1 xin ẩn thêm")
        shoot(page, f"grid-wish-{size[0]}x{size[1]}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        buttons = page.locator(".waits button, a.waits")
        assert min(box["height"] for box in [item.bounding_box() for item in buttons.all()] if box) >= (
            44 if size[0] < 760 else 32
        )
        page.get_by_role("button", name="Đồng ý, ẩn 15 phút").click()
        expect(page.locator("section.waits")).to_have_count(0)
        assert page.evaluate("globalThis.same === document.querySelector('live-view') && globalThis.same.isConnected")
        expect(page.locator("a.waits")).to_have_attribute("href", "/dong-y")
        assert site.box.calls.count(f"answer 3 True by {PRINCIPAL.person}") == 1
        site.box.calls.clear()
        site.box.consents.open_cases = []


def test_one_camera_asks_for_one_camera(site: Site) -> None:
    """The camera page shows picture and facts, and fetches nothing of any other camera."""
    site.box.status_of[MAM] |= {
        "fps": 15.0, "bitrate_bps": 2_100_000, "last_segment_ms": site.box.clock.now_ms() - 4000, "gaps_today": 1,
        "gap_seconds_today": 420,
        "streams": [{"stream": "main", "codec": "h264", "width": 1920, "height": 1080, "recording": True}],
    }  # fmt: skip
    since_ms = site.box.clock.now_ms()
    site.box.views = [
        OpenView(MAM, PRINCIPAL.person, PRINCIPAL.name, Role.PRINCIPAL, since_ms),
        OpenView(MAM, MOTHER.person, MOTHER.name, Role.GUARDIAN, since_ms, "outside", "turn"),
    ]
    page = site.visit(f"/camera/{MAM}", PRINCIPAL)
    expect(page.locator("live-view > img")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("1920×1080")
    expect(page.locator("#facts")).to_contain_text("15 khung hình/giây")
    expect(page.locator("#facts")).to_contain_text("1 lần, 7 phút")
    expect(page.locator("#people")).to_contain_text("Lê Thị Hằng")
    expect(page.locator("#people li").nth(0)).not_to_contain_text("·")
    expect(page.locator("#people li").nth(1)).to_contain_text("10:15 · từ ngoài trường · đang chờ lượt")
    expect(page.locator("#recording")).to_have_text("Đang ghi")
    shoot(page, "camera-1440x900")
    assert site.pictures()
    assert all(MAM in url for url in site.pictures())


def test_language_switch_changes_every_word_and_is_remembered(site: Site) -> None:
    """English after one tap, on the next page too; `lang` is right; no Vietnamese text is left but names."""
    page = site.visit("/", PRINCIPAL)
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Live view")
    assert page.locator("html").get_attribute("lang") == "en"
    expect(page.locator("#watching")).to_have_text("Parents watching: 0")
    page.goto(site.url + f"/camera/{MAM}")
    expect(page.locator("#nobody")).to_have_text("Nobody is watching this camera.")
    page.get_by_role("link", name="Tiếng Việt").click()
    expect(page.locator("#nobody")).to_have_text("Chưa có ai xem camera này.")


def test_keyboard_alone_reaches_and_opens_a_camera(site: Site) -> None:
    """Tab walks past the switch and the filters to the first tile; Enter opens it."""
    page = site.visit("/", PRINCIPAL)
    expect(page.locator(".tile").first).to_be_visible()
    for _ in range(25):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('tile')"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lớp Mầm 1")


def test_the_recorder_falling_silent_is_said_not_hidden(site: Site) -> None:
    """All tiles stay; the summary says that the recorder does not answer."""
    site.box.recorder_down = True
    page = site.visit("/", PRINCIPAL)
    expect(page.locator("#summary")).to_contain_text("đầu ghi không trả lời")
    expect(page.locator(".tile")).to_have_count(4)


@pytest.mark.parametrize("size", [(390, 844), (320, 640)])
def test_on_a_phone_nothing_scrolls_sideways(site: Site, size: tuple[int, int]) -> None:
    """Grid, camera and sign-in fit 390 and 320 pixels."""
    for name, path, caller in (
        ("live", "/", PRINCIPAL),
        ("camera", f"/camera/{MAM}", PRINCIPAL),
        ("login", "/vao", None),
    ):
        page = site.visit(path, caller, size=size, device_scale_factor=2, has_touch=True)
        page.wait_for_load_state("load")
        if caller is not None:
            expect(page.locator("live-view > img").first).to_be_visible()
        shoot(page, f"m-{name}-{size[0]}")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name


def test_a_camera_that_the_box_has_lost_is_a_plate_at_once(site: Site) -> None:
    """Its last picture may be seconds old: it stands small and dated, and the tile leads to what to do."""
    site.box.status_of[CHOI] |= {"state": "login_refused", "recording": False, "since_ms": TROUBLED_SINCE_MS}
    site.box.still_age_ms = 4_000
    page = site.visit("/", PRINCIPAL)
    tile = page.locator(".tile").nth(1)
    expect(tile.locator(".nopic")).to_contain_text("Sai mật khẩu camera")
    expect(tile.locator(".m")).to_have_text("Xem cách xử lý")
    expect(page.locator(".tile").nth(0).locator(".nopic")).to_have_count(0)
    tile.click()
    fault = page.locator("#fault")
    expect(fault).to_contain_text("vuon mat-khau-camera")
    expect(fault).to_contain_text("từ 09:42")
    expect(fault).to_contain_text("cam-login_refused")


def test_not_recording_stands_in_the_picture_and_viewing_goes_on(site: Site) -> None:
    """Two facts, shown apart: a red plate over a picture of now."""
    site.box.status_of[LA] |= {"recording": False}
    page = site.visit("/", PRINCIPAL)
    tile = page.locator(".tile").nth(2)
    expect(tile.locator(".pb.bad")).to_have_text("Không ghi")
    expect(tile.locator("live-view > img")).to_be_visible()
    expect(page.locator(".tile").nth(0).locator(".pb.bad")).to_have_count(0)
    expect(page.locator(".attn .good")).to_have_count(0)


def test_all_is_well_is_said_too(site: Site) -> None:
    """The strip counts the cameras that record, so that its silence is no question."""
    page = site.visit("/", PRINCIPAL)
    expect(page.locator(".attn .good")).to_contain_text("4 camera đang ghi hình")


def test_a_page_that_hears_nothing_says_that_its_figures_may_be_old(site: Site) -> None:
    """The box is gone, or the office's network: since when, and that recording may go on."""
    context = site.browser.new_context(viewport={"width": 1440, "height": 900})
    site.contexts.append(context)
    context.add_cookies([{"name": "vuon-box", "value": f"token-{PRINCIPAL.person}", "url": site.url}])
    page = context.new_page()
    page.route("**/api/events", lambda route: route.abort())
    page.goto(site.url + "/")
    expect(page.locator(".attn .bad")).to_contain_text("Hộp ghi mất liên lạc")
    expect(page.locator("#summary")).to_contain_text("có thể đã cũ")
    page.unroute("**/api/events")
    expect(page.locator(".attn .good")).to_be_visible(timeout=30_000)


def test_an_english_browser_gets_vietnamese_and_a_clean_console(site: Site) -> None:
    """Nobody asked for English; the sign-in page asks who is there without an error."""
    answers: list[int] = []
    page = site.visit("/nowhere", language="en-US")
    page.on("response", lambda response: answers.append(response.status))
    with page.expect_response("**/api/me"):
        page.goto(site.url + "/vao")
    expect(page.locator("html")).to_have_attribute("lang", "vi")
    assert [status for status in answers if status >= 400] == []
