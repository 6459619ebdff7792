"""A form that waits while its sender must choose a first password, and took too long for that."""

from __future__ import annotations

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.web_services import PRINCIPAL, FakeBox
from tests.unit.test_kept_forms import PASSWORD, PATH, TYPED, hidden, old_browser, post


@pytest.mark.anyio
async def test_a_form_waits_on_when_the_time_for_a_first_password_is_over() -> None:
    """The page says so, asks for no password that nobody has, and leads over the next code to the form."""
    box = FakeBox(FakeClock())
    box.accounts.add(PRINCIPAL, "hanglt")
    box.accounts.over["old-token"] = PRINCIPAL.person
    box.accounts.must.add(PRINCIPAL.person)
    box.codes = {"FIRST": PRINCIPAL, "NEXT": PRINCIPAL}
    chosen = {"new": PASSWORD, "repeat": PASSWORD}
    async with old_browser(box) as client:
        kept = hidden(await post(client, PATH, TYPED))
        waits = {"giu": hidden(await post(client, "/vao", kept | {"code": "FIRST"}))["giu"]}
        box.accounts.old.add(PRINCIPAL.device)
        late = await post(client, "/mat-khau", waits | chosen)
        assert (late.status_code, hidden(late), 'action="/vao"' in late.text) == (403, waits, True)
        assert "trong mười phút" in late.text
        assert 'type="password"' not in late.text
        assert PASSWORD not in late.text
        assert box.accounts.by_name["hanglt"].password == ""
        again = await post(client, "/vao", hidden(late))
        assert (again.status_code, hidden(again), "Những gì vừa gõ vẫn còn" in again.text) == (200, waits, True)
        assert "return.js" not in again.text, "a script that goes on with the login that is too old would drop the form"
        asked = await post(client, "/vao", hidden(again) | {"code": "NEXT"})
        box.accounts.old.clear()
        on = await post(client, "/mat-khau", {"giu": hidden(asked)["giu"]} | chosen)
        assert (on.status_code, hidden(on), f'action="{PATH}"' in on.text) == (200, TYPED, True)
        box.accounts.by_name["hanglt"].password = ""
        box.accounts.old.add(PRINCIPAL.device)
        bare = await post(client, "/mat-khau?lang=en", chosen)
        assert (bare.status_code, "within ten minutes" in bare.text, "giu" in hidden(bare)) == (403, True, False)
        assert 'action="/ra"' in bare.text, "without a form the way on is out"
