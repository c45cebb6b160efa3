"""Whole ways through the pages with nothing but a keyboard, and with no script at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.site import Visitor
from tests.host import totp

pytestmark = pytest.mark.browser

SMS = {"ENFORCE_ONE_MFA_ENROLLMENT": ["otp", "email", "sms"]}

FOCUSED = """() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const style = getComputedStyle(one);
  const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const label = one.labels?.[0]?.innerText ?? one.innerText;
  const box = one.getBoundingClientRect();
  const shown = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return {name: one.localName + ' ' + (one.name || label).trim().split('\\n')[0], seen,
    covered: !(one === shown || one.contains(shown))};
}"""


class Keys:
    """A person at a keyboard."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def tab_to(self, name: str) -> None:
        """Press Tab until a control has the focus."""
        for _ in range(30):
            self.page.keyboard.press("Tab")
            found = self.page.evaluate(FOCUSED)
            if found is not None and found["name"] == name:
                return
        raise AssertionError(f"Tab does not lead to {name}")

    def enter(self, key: str = "Enter") -> None:
        """Press a key that leads to another page."""
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def round(self) -> list[dict[str, Any]]:
        """Every stop of the Tab key on this page, from the first."""
        self.page.evaluate("() => { document.body.tabIndex = -1; document.body.focus(); }")
        self.page.evaluate("document.body.removeAttribute('tabindex')")
        stops: list[dict[str, Any]] = []
        for _ in range(40):
            self.page.keyboard.press("Tab")
            found = self.page.evaluate(FOCUSED)
            if found is None or (stops and found == stops[0]):
                break
            stops.append(found)
        return stops


def test_tab_goes_through_the_page_in_order_and_every_stop_is_seen(visit: Any) -> None:
    page = visit(holds=("otp", "email", "sms")).sign_in().page
    stops = Keys(page).round()
    assert [stop["name"] for stop in stops] == [
        "input code",
        "button Continue",
        "a Email code",
        "a Text message",
        "button Cancel sign-in",
        "select locale",
        "button Change",
    ]
    assert all(stop["seen"] for stop in stops)
    assert not any(stop["covered"] for stop in stops)


def test_by_keyboard_alone_one_sets_up_an_authenticator_and_signs_in_with_it(visit: Any) -> None:
    visitor = visit(config=SMS)
    page = visitor.page
    keys = Keys(page)
    visitor.go("/login?next=/secret")
    keys.tab_to("input email")
    page.keyboard.type(visitor.email)
    keys.tab_to("input password")
    page.keyboard.type("pw")
    keys.enter()
    keys.tab_to("button factor")
    keys.enter()
    assert visitor.path == "/mfa/enroll/otp"
    keys.tab_to("summary Enter the key by hand instead")
    page.keyboard.press("Space")
    key = visitor.key()
    keys.tab_to("input code")
    page.keyboard.type(totp(key))
    keys.enter()
    assert visitor.path == "/secret"
    visitor.go("/logout").go("/login?next=/secret")
    keys.tab_to("input email")
    page.keyboard.type(visitor.email)
    keys.tab_to("input password")
    page.keyboard.type("pw")
    keys.enter()
    assert visitor.path == "/mfa/challenge/otp"
    page.keyboard.type(visitor.host.otp(visitor.user_id))
    keys.enter()
    assert visitor.path == "/secret"


def test_by_keyboard_alone_one_takes_another_way_and_changes_the_language(visit: Any) -> None:
    visitor = visit(holds=("otp", "email"))
    page = visitor.sign_in().page
    keys = Keys(page)
    keys.tab_to("select locale")
    page.keyboard.press("ArrowDown")
    keys.tab_to("button Change")
    keys.enter()
    assert (visitor.path, page.get_attribute("html", "lang")) == ("/mfa/challenge/otp", "fr")
    keys.tab_to("a Code par e-mail")
    keys.enter()
    keys.tab_to("button Envoyer le code")
    keys.enter("Space")
    page.keyboard.type(visitor.sent_code())
    keys.enter()
    assert visitor.path == "/secret"


def without_script(visit: Any, **options: Any) -> Visitor:
    """A visitor whose browser runs no script."""
    visitor: Visitor = visit(java_script_enabled=False, **options)
    return visitor


@pytest.mark.check("H13")
@pytest.mark.parametrize("factor", ["otp", "email", "sms"])
def test_without_script_a_factor_is_set_up_and_then_signs_in(visit: Any, factor: str) -> None:
    visitor = without_script(visit, config=SMS)
    visitor.sign_in().choose(factor)
    if factor == "otp":
        visitor.page.click("summary")
        visitor.code(totp(visitor.key()))
    elif factor == "email":
        visitor.send().code()
    else:
        visitor.number().code()
    assert visitor.path == "/secret"
    visitor.go("/logout").sign_in()
    if factor == "otp":
        visitor.otp()
    else:
        visitor.code()
    assert visitor.path == "/secret"


def test_without_script_a_code_is_sent_again_after_the_pause(visit: Any) -> None:
    visitor = without_script(visit, holds=("email",))
    with visitor.host.clock() as clock:
        visitor.sign_in()
        assert "new code in 60 seconds" in visitor.page.inner_text(".mfa-resend")
        visitor.press(".mfa-resend button")
        assert "Too many requests" in visitor.page.inner_text("[role=alert]")
        assert len(visitor.sent()) == 1
        clock.tick(61)
        visitor.go("/mfa/challenge/email").press(".mfa-resend button")
        assert len(visitor.sent()) == 2
        visitor.code()
    assert visitor.path == "/mfa/challenge/email" or visitor.path == "/secret"
    assert visitor.go("/secret").path == "/secret"


def test_without_script_nothing_is_shown_that_would_need_it(visit: Any) -> None:
    visitor = without_script(visit)
    page = visitor.sign_in().choose("otp").page
    page.click("summary")
    assert not page.is_visible("[data-mfa-copy]")


def test_without_script_one_cancels_and_puts_off(visit: Any) -> None:
    visitor = without_script(visit, config={"MFA_REQUIRED_FROM": "2100-01-01"})
    visitor.sign_in().press("button[name=later]")
    assert visitor.path == "/secret"
    visitor = without_script(visit, holds=("otp",))
    visitor.sign_in().press("form[action$='/cancel'] button")
    assert visitor.path == "/login"
    assert "cancelled" in visitor.page.inner_text("[role=status]")
