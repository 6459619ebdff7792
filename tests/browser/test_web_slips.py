"""Slips in a real browser: out of another app, waiting for the school, the key that cannot be copied, the lost phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import Site, shoot
from tests.fakes.page_audit import audit
from tests.fakes.web_services import FATHER, MOTHER, PRINCIPAL, TEACHER
from tests.fakes.web_slips import FakeSlip

pytestmark = pytest.mark.browser
PHONE = (390, 844)
ZALO = (
    "Mozilla/5.0 (Linux; Android 13; SM-A135F; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0 "
    "Mobile Safari/537.36 Zalo android/12110508 ZaloTheme/light ZaloLanguage/vi"
)
SECRET = "ABCDEFGHIJKLMNOPQRSTUVWX23"
PASSWORD = "cây bàng trước cổng"
NARROW = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


def phone(site: Site, path: str, **options: Any) -> Page:
    return site.visit(path, size=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True, **options)


def calls(site: Site) -> list[str]:
    """What reached the slips' door, besides opening of pages."""
    return [call for call in site.box.calls if call.startswith(("bind", "enter"))]


def fits(page: Page) -> None:
    """Nothing sticks out sideways, and a machine finds no barrier."""
    assert page.evaluate(NARROW), "the page scrolls sideways"
    assert audit(page) == []


def test_opened_in_zalo_first_then_in_a_browser(site: Site) -> None:
    """Zalo's browser sends nothing and spends nothing; the link that it shows binds Chromium with the same slip."""
    site.box.slips.slips = {SECRET: FakeSlip(MOTHER, "4678")}
    inner = phone(site, f"/P/MOI#{SECRET}", user_agent=ZALO)
    expect(inner.get_by_role("heading", level=1)).to_have_text("Mở bằng trình duyệt")
    expect(inner.locator("form")).to_have_count(0)
    link = inner.locator("#link")
    expect(link).to_have_value(f"{site.url}/p/moi#{SECRET}")
    expect(inner.locator("#leave")).to_have_attribute(
        "href",
        f"intent://{site.url.partition('//')[2]}/p/moi#{SECRET}#Intent;scheme=http;action=android.intent.action.VIEW;end",
    )
    fits(inner)
    shoot(inner, "slip-zalo")
    carried = link.input_value()
    assert calls(site) == []
    assert not [item for item in site.requests if SECRET in item.url or SECRET in (item.post_data or "")]

    page = phone(site, carried.removeprefix(site.url))
    expect(page.locator("#class b")).to_have_text("Lớp Mầm 1")
    expect(page.locator("#class .mut")).to_contain_text("Mẹ")
    assert page.url.endswith("/p/moi"), "the secret stays in the address bar"
    shoot(page, "slip-digits")
    fits(page)
    page.get_by_label("4 số cuối").fill("1111")
    page.get_by_role("button", name="Tiếp tục").click()
    expect(page.get_by_role("alert")).to_contain_text("Còn 4 lần thử")
    page.get_by_label("4 số cuối").fill("4678")
    page.get_by_role("button", name="Tiếp tục").click()
    expect(page.locator("live-view > img")).to_be_visible()
    assert page.url == site.url + "/p/"
    assert site.box.slips.slips[SECRET].used
    assert page.locator("input[type=password]").count() == 0
    assert not [item for item in site.requests if SECRET in item.url]


def test_the_code_can_be_typed_and_the_page_read_in_english(site: Site) -> None:
    """Without a QR code the same page asks for the code; the other language does not lose the secret."""
    site.box.slips.slips = {"ABCD-EFGH-JKLM": FakeSlip(MOTHER), SECRET: FakeSlip(MOTHER)}
    typed = phone(site, "/p/moi")
    typed.get_by_label("Mã trên phiếu").fill("nothing")
    typed.get_by_role("button", name="Tiếp tục").click()
    expect(typed.get_by_role("alert")).to_contain_text("không đúng")
    shoot(typed, "slip-typed")
    typed.get_by_label("Mã trên phiếu").fill("ABCD-EFGH-JKLM")
    typed.get_by_role("button", name="Tiếp tục").click()
    expect(typed.locator("#class b")).to_be_visible()
    typed.get_by_role("button", name="Tiếp tục").click()
    expect(typed.locator("live-view > img")).to_be_visible()
    other = site.visit(f"/p/moi#{SECRET}", size=(320, 640))
    other.get_by_role("link", name="English").first.click()
    expect(other.locator("#class b")).to_be_visible()
    fits(other)
    shoot(other, "slip-en-320")
    other.get_by_role("button", name="Continue").click()
    expect(other.locator("live-view > img")).to_be_visible()


def test_a_browser_that_cannot_keep_a_key_or_play_spends_nothing(site: Site) -> None:
    """No H.264: the way out; no secure context: why, and what to do. The slip is whole afterwards."""
    site.box.slips.slips = {SECRET: FakeSlip(MOTHER)}
    page = phone(site, "/p/moi")
    page.add_init_script("RTCRtpReceiver.getCapabilities = () => ({ codecs: [{ mimeType: 'video/VP8' }] })")
    page.goto(f"{site.url}/p/moi#{SECRET}")
    page.reload()
    expect(page.locator("#out")).to_be_visible()
    expect(page.locator("#link")).to_have_value(f"{site.url}/p/moi#{SECRET}")
    expect(page.locator("#in")).to_be_hidden()
    plain = phone(site, "/p/moi")
    plain.add_init_script(
        "Object.defineProperty(window, 'isSecureContext', { value: false }); Object.defineProperty(crypto, 'subtle', { value: undefined });"
    )
    plain.goto(f"{site.url}/p/moi#{SECRET}")
    plain.reload()
    expect(plain.locator("#cannot")).to_contain_text("http")
    shoot(plain, "slip-insecure")
    assert calls(site) == []
    assert not site.box.slips.slips[SECRET].used


def test_waiting_for_the_school_moves_on_by_itself(site: Site) -> None:
    """Nothing is seen before the yes; the principal approves with two taps from the first page; the guardian's page opens the class."""
    site.box.slips.slips = {SECRET: FakeSlip(MOTHER, checked=False), "second": FakeSlip(FATHER, checked=False)}
    page = phone(site, f"/p/moi#{SECRET}")
    page.get_by_role("button", name="Tiếp tục").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Đang chờ nhà trường duyệt")
    assert page.url == site.url + "/p/cho"
    shoot(page, "slip-waiting")
    fits(page)
    assert site.pictures() == []
    father = phone(site, "/p/moi#second")
    father.get_by_role("button", name="Tiếp tục").click()
    expect(father.locator("#waiting")).to_be_visible()

    head = site.visit("/phu-huynh/phieu", PRINCIPAL)
    shoot(head, "invites")
    fits(head)
    expect(head.get_by_role("link", name="Chờ duyệt: 2")).to_be_visible()
    site.box.waiting = {"people": 2}
    head.goto(site.url + "/")
    head.get_by_role("link", name="2 phụ huynh chờ duyệt").click()
    shoot(head, "waiting")
    fits(head)
    mother_row = head.locator("section.wait", has_text=MOTHER.name)
    mother_row.get_by_role("button", name="Duyệt").click()
    expect(page.locator("live-view > img")).to_be_visible()
    head.locator("main summary").click()
    head.get_by_label("Nhà trường cần gặp trực tiếp").check()
    shoot(head, "waiting-refuse")
    head.get_by_role("button", name="Từ chối").click()
    expect(head.get_by_text("Không có ai chờ duyệt.")).to_be_visible()
    expect(father.locator("#refused")).to_contain_text("gặp trực tiếp")
    shoot(father, "slip-refused")
    # Who comes back while waiting, or after the yes, needs no slip.
    page.context.clear_cookies()
    page.goto(site.url + "/p/")
    expect(page.locator("live-view > img")).to_be_visible()


def test_a_long_login_is_asked_before_somebody_is_let_in(site: Site) -> None:
    """With scripts in place, and the pressed button goes along; without, the ticks wait on the question's page."""
    site.box.slips.slips = {SECRET: FakeSlip(MOTHER, checked=False)}
    site.box.accounts.add(PRINCIPAL, "hanglt", PASSWORD)
    phone(site, f"/p/moi#{SECRET}").get_by_role("button", name="Tiếp tục").click()
    head = site.visit("/phu-huynh/cho-duyet", PRINCIPAL)
    site.box.accounts.old.add(PRINCIPAL.device)
    head.get_by_role("button", name="Duyệt").click()
    head.get_by_role("dialog").get_by_label("Mật khẩu").fill(PASSWORD)
    head.get_by_role("dialog").get_by_role("button", name="Xác nhận").click()
    expect(head.get_by_text("Không có ai chờ duyệt.")).to_be_visible()

    site.box.accounts.old.add(PRINCIPAL.device)
    plain = site.visit("/phu-huynh/phieu", PRINCIPAL, size=PHONE, java_script_enabled=False)
    plain.get_by_role("checkbox", name=MOTHER.name).check()
    plain.get_by_role("button", name="In phiếu đã chọn").click()
    expect(plain.get_by_text("vẫn còn")).to_be_visible()
    shoot(plain, "confirm-kept")
    plain.get_by_label("Mật khẩu").fill(PASSWORD)
    plain.get_by_role("button", name="Xác nhận").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Đã xác nhận")
    shoot(plain, "confirm-go-on")
    for width in (PHONE[0], 320):
        plain.set_viewport_size({"width": width, "height": 640})
        assert plain.locator("button").bounding_box()["height"] >= 44  # type: ignore[index]  # it is shown
        assert plain.locator("html").bounding_box()["width"] <= width  # type: ignore[index]  # the same
    plain.get_by_role("button", name="Làm tiếp").click()
    expect(plain.locator("svg.qr")).to_have_count(1)


def test_a_copied_cookie_is_out_once_the_owner_proves_the_key(site: Site, chromium: Browser) -> None:
    """The page proves by itself and goes on showing; the copy lacks the key, and no script can read it."""
    site.box.slips.slips = {SECRET: FakeSlip(MOTHER)}
    page = phone(site, f"/p/moi#{SECRET}")
    page.get_by_role("button", name="Tiếp tục").click()
    expect(page.locator("live-view > img")).to_be_visible()
    exported = page.evaluate(
        """async () => {
          const database = await new Promise((resolve) => {
            const opening = indexedDB.open('vuon', 1);
            opening.onsuccess = () => resolve(opening.result);
          });
          const kept = await new Promise((resolve) => {
            const request = database.transaction('key').objectStore('key').get('device');
            request.onsuccess = () => resolve(request.result);
          });
          return crypto.subtle.exportKey('pkcs8', kept.pair.privateKey).then(() => 'copied', (error) => error.name);
        }"""
    )
    assert exported == "InvalidAccessError"
    (cookie,) = [item for item in page.context.cookies() if "box" in item["name"]]
    with page.expect_response("**/api/device/session") as proven:
        page.evaluate("localStorage.setItem('proven', '0'); document.dispatchEvent(new Event('visibilitychange'))")
    assert proven.value.ok
    expect(page.locator("live-view > img")).to_be_visible()
    thief = phone(site, "/p/moi")
    thief.context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": site.url}])
    thief.goto(site.url + "/p/")
    expect(thief.get_by_role("heading", level=1)).to_have_text("Hãy quét mã trên phiếu mời")


SENDS = """() => {
  const form = Object.assign(document.createElement('form'), { method: 'post', action: '/p/dong-y/rut' });
  document.body.append(form);
  form.submit();
}"""


@pytest.mark.parametrize("late", [False, True])
def test_what_was_lost_is_said_until_its_sender_goes_on(site: Site, late: bool) -> None:
    """A withdrawal comes without a login: the bound browser signs itself in, and the page stays and shows the way on."""
    site.box.slips.slips = {SECRET: FakeSlip(MOTHER)}
    page = phone(site, f"/p/moi#{SECRET}")
    page.get_by_role("button", name="Tiếp tục").click()
    expect(page.locator("live-view > img")).to_be_visible()
    page.goto("about:blank")  # no proof of that page's is under way any more
    page.context.clear_cookies()
    page.goto(site.url + "/vao")
    if late:  # the cookie was only late: the page finds itself signed in
        page.route("**/api/me", lambda route: route.fulfill(json={"name": MOTHER.name}))
    shown: list[str] = []
    page.on("framenavigated", lambda frame: shown.append(frame.url))
    page.evaluate(SENDS)
    expect(page.get_by_role("heading", level=1)).to_have_text("Chưa được lưu")
    on = page.get_by_role("link", name="Vào lại")
    expect(on).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("chưa được lưu")
    expect(page.get_by_text("quét mã QR")).to_be_hidden()
    assert bool([item for item in page.context.cookies() if "box" in item["name"]]) is not late
    fits(page)
    shoot(page, "kept-lost-guardian")
    assert shown == [f"{site.url}/p/dong-y/rut"], "nothing led on by itself"
    if not late:
        on.click()
        expect(page.locator("live-view > img")).to_be_visible()


def test_two_devices_a_third_and_a_lost_one(site: Site) -> None:
    """The third asks which one goes; the account page ends the other one, and its browser is asked for a slip."""
    site.box.slips.slips = {name: FakeSlip(MOTHER) for name in ("one", "two", "three")}
    pages = []
    for name in ("one", "two"):
        page = phone(site, f"/p/moi#{name}")
        page.get_by_role("button", name="Tiếp tục").click()
        expect(page.locator("live-view > img")).to_be_visible()
        pages.append(page)
    third = phone(site, "/p/moi#three")
    third.get_by_role("button", name="Tiếp tục").click()
    choices = third.locator("#third input")
    expect(choices).to_have_count(2)
    shoot(third, "slip-third")
    choices.first.check()
    third.get_by_role("button", name="Tiếp tục").click()
    expect(third.locator("live-view > img")).to_be_visible()
    third.goto(site.url + "/p/tai-khoan")
    expect(third.locator("#devices li")).to_have_count(2)
    shoot(third, "account")
    fits(third)
    third.get_by_role("button", name="Gỡ máy").first.click()
    expect(third.locator("#devices li")).to_have_count(1)
    for lost in pages:  # replaced, and taken off the list
        lost.goto(site.url + "/p/cho")
        expect(lost.locator("#gone")).to_be_visible()


def test_a_picture_asked_for_with_the_token_of_before_costs_no_page(site: Site) -> None:
    """The key is proven while stills are on their way: refused, they come again with the new token, on the same page."""
    site.box.slips.slips = {SECRET: FakeSlip(MOTHER)}
    page = phone(site, f"/p/moi#{SECRET}")
    late: list[str] = []

    def refuse(route: Route) -> None:
        late.append(route.request.url)
        if len(late) > 2:
            route.continue_()
        else:
            route.fulfill(status=401, content_type="application/json", body='{"error": {"code": "sign_in"}}')

    page.route("**/still.jpg*", refuse)
    page.get_by_role("button", name="Tiếp tục").click()
    page.wait_for_url("**/p/")
    began = page.evaluate("performance.timeOrigin")
    expect(page.locator("live-view > img")).to_be_visible()
    assert len(late) > 2
    assert page.evaluate("performance.timeOrigin") == began


def test_the_app_on_the_home_screen_binds_itself_once(site: Site) -> None:
    """It has a store of its own: the token of its address makes it a part of the same device; later its own key is enough."""
    site.box.slips.slips = {SECRET: FakeSlip(MOTHER)}
    page = phone(site, f"/p/moi#{SECRET}")
    page.get_by_role("button", name="Tiếp tục").click()
    expect(page.locator("live-view > img")).to_be_visible()
    start = page.evaluate("fetch('/p/app.webmanifest').then((answer) => answer.json()).then((body) => body.start_url)")
    app = phone(site, start)
    expect(app.locator("live-view > img")).to_be_visible()
    assert len(site.box.slips.devices_of) == 1
    app.context.clear_cookies()
    app.goto(site.url + start)  # the icon's address stays as it was
    expect(app.locator("live-view > img")).to_be_visible()
    stranger = phone(site, start)
    expect(stranger.locator("#failed")).to_contain_text("đã dùng")
    shoot(stranger, "slip-app-failed")


def test_a_sheet_of_slips_prints(site: Site, tmp_path: Path) -> None:
    """A teacher ticks all and prints; at every width the lists fit."""
    head = site.visit("/phu-huynh/phieu", TEACHER, size=PHONE)
    fits(head)
    shoot(head, "invites-phone")
    head.get_by_label("Chọn tất cả").check()
    head.get_by_role("button", name="In phiếu đã chọn").click()
    expect(head.locator("svg.qr")).to_have_count(2)
    fits(head)
    shoot(head, "slips-phone")
    head.set_viewport_size({"width": 1100, "height": 800})
    shoot(head, "slips-sheet")
    pdf = head.pdf(path=str(tmp_path / "phieu.pdf"), prefer_css_page_size=True)
    assert pdf[:5] == b"%PDF-"
