"""What the forms do for the person who fills them in: focus, errors, paste, countdown, themes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.looking import findings

pytestmark = pytest.mark.browser

FOCUSED = "document.activeElement.id"


def described_by(page: Any, selector: str) -> str:
    """The text that describes a field."""
    ids = (page.get_attribute(selector, "aria-describedby") or "").split()
    return " ".join(page.inner_text(f"#{one}") for one in ids)


@pytest.mark.check("H13")
def test_the_code_field_is_one_that_phones_and_keyboards_know(visit: Any) -> None:
    page = visit(holds=("otp",)).sign_in().page
    field = page.locator("[name=code]")
    assert field.count() == 1
    wanted = {
        "autocomplete": "one-time-code",
        "inputmode": "numeric",
        "type": "text",
        "dir": "ltr",
    }
    assert {name: field.get_attribute(name) for name in wanted} == wanted
    assert page.evaluate(FOCUSED) == "mfa-code"
    assert page.get_by_label("6-digit code").get_attribute("id") == "mfa-code"


@pytest.mark.check("H13")
@pytest.mark.parametrize("spelling", ["{0} {1}", " {0}-{1} ", "{0}\u00a0{1}"])
def test_a_code_pasted_with_blanks_signs_in(visit: Any, spelling: str) -> None:
    visitor = visit(holds=("otp",), permissions=["clipboard-read", "clipboard-write"])
    page = visitor.sign_in().page
    code = visitor.host.otp(visitor.user_id)
    page.evaluate(
        "text => navigator.clipboard.writeText(text)", spelling.format(code[:3], code[3:])
    )
    page.keyboard.press("Control+V")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert visitor.path == "/secret"


def test_a_wrong_code_is_told_at_the_field_and_in_the_title(visit: Any) -> None:
    page = visit(holds=("otp",)).sign_in().wrong().page
    assert page.title() == "Error: Enter the code from your app · Melody"
    assert page.evaluate(FOCUSED) == "mfa-code"
    assert page.get_attribute("#mfa-code", "aria-invalid") == "true"
    assert page.input_value("#mfa-code") == ""
    assert described_by(page, "#mfa-code") == "That code is not right. Check it and try again."


def test_a_page_without_an_error_says_so(visit: Any) -> None:
    page = visit(holds=("otp",)).sign_in().page
    assert page.title() == "Enter the code from your app · Melody"
    assert page.get_attribute("#mfa-code", "aria-invalid") is None


def test_a_refused_number_is_told_at_the_field_and_kept(visit: Any) -> None:
    visitor = visit(config={"ENFORCE_ONE_MFA_ENROLLMENT": ["otp", "sms"]})
    page = visitor.sign_in().choose("sms").number("+33 6 12 34 56 78").page
    assert page.title().startswith("Error: ")
    assert page.evaluate(FOCUSED) == "mfa-phone-number"
    assert page.input_value("#mfa-phone-number") == "+33 6 12 34 56 78"
    assert "numbers of this country" in described_by(page, "#mfa-phone-number")


def test_a_refused_name_opens_its_field(visit: Any) -> None:
    visitor = visit(config={"ENFORCE_ONE_MFA_ENROLLMENT": ["otp", "sms"]})
    page = visitor.sign_in().choose("otp").page
    page.click("details:has(#mfa-name) summary")
    page.evaluate("document.getElementById('mfa-name').removeAttribute('maxlength')")
    page.fill("#mfa-name", "x" * 65)
    visitor.code("123456")
    assert page.is_visible("#mfa-name")
    assert described_by(page, "#mfa-name").startswith("This is too long.")
    assert page.get_attribute("#mfa-code", "aria-invalid") is None


def test_a_message_that_was_not_sent_is_an_alert_and_no_fault_of_a_field(visit: Any) -> None:
    visitor = visit(holds=("sms",), user={"phone": "+447400999999"})
    page = visitor.sign_in().send().page
    assert page.title().startswith("Error: Get a code by text message")
    assert "could not be sent" in page.get_by_role("alert").inner_text()
    assert page.locator("[aria-invalid]").count() == 0
    assert page.get_by_role("button", name="Send code").is_visible()


def test_a_message_that_was_sent_is_a_status(visit: Any) -> None:
    page = visit(holds=("email",)).sign_in_by_get().send().page
    assert "on its way" in page.locator("[role=status]").first.inner_text()
    assert page.locator("[role=alert]").count() == 0


def test_the_pause_is_counted_down_in_silence_and_its_end_is_told_once(visit: Any) -> None:
    visitor = visit(holds=("email",))
    page = visitor.page
    page.clock.install()
    visitor.sign_in()
    hint = page.locator("[data-mfa-wait]")
    again = page.get_by_role("button", name="Send a new code")
    status = page.locator(".mfa-resend [role=status]")
    live = "one => Boolean(one.closest('[aria-live], [role=status], [role=alert], [role=timer]'))"
    assert hint.evaluate(live) is False
    assert not again.is_visible()
    page.clock.fast_forward(20_000)
    assert hint.inner_text() in [f"You can ask for a new code in 0:{left}." for left in (39, 40)]
    assert status.inner_text() == ""
    page.clock.fast_forward(45_000)
    assert hint.inner_text() == "Nothing arrived?"
    assert status.inner_text() == "You can ask for a new code now."
    assert again.is_visible()
    assert page.evaluate(FOCUSED) == "mfa-code", "the focus stays where the person types"


def test_a_second_press_sends_nothing_more(visit: Any) -> None:
    visitor = visit(holds=("email",))
    page = visitor.sign_in_by_get().page
    posts: list[str] = []
    page.on("request", lambda one: posts.append(one.url) if one.method == "POST" else None)
    with page.expect_navigation():
        page.dblclick("form[action$='/send'] button")
    assert len(posts) == 1
    assert len(visitor.sent()) == 1


def test_the_key_is_copied_without_its_blanks_and_that_is_told(visit: Any) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.sign_in().choose("otp").page
    page.click("summary")
    page.get_by_role("button", name="Copy key").click()
    page.wait_for_function("document.querySelector('[data-mfa-copy-status]').textContent !== ''")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.inner_text("#mfa-key").replace(" ", "").replace("\n", "")
    assert len(copied) == 32
    assert page.inner_text("[data-mfa-copy-status]") == "Copied"


def test_every_control_has_a_name(visit: Any) -> None:
    visitor = visit(holds=("otp", "email", "sms"))
    page = visitor.sign_in().page
    names = [
        ("textbox", "6-digit code"),
        ("button", "Continue"),
        ("link", "Email code"),
        ("link", "Text message"),
        ("button", "Cancel sign-in"),
        ("combobox", "Language"),
        ("button", "Change"),
    ]
    for role, name in names:
        assert page.get_by_role(role, name=name, exact=True).count() == 1, (role, name)
    controls = "a, button, select, input:not([type=hidden])"
    assert page.locator(controls).count() == len(names), "and there are no others"


def test_the_qr_code_has_a_text_alternative_and_the_key_stands_beside_it(visit: Any) -> None:
    page = visit().sign_in().choose("otp").page
    name = page.get_by_role("img").get_attribute("aria-label")
    assert (
        name == "QR code with the key for your authenticator app. The key is given as text below."
    )
    page.click("summary")
    assert page.is_visible("#mfa-key")


def test_who_wants_less_motion_gets_none(visit: Any) -> None:
    moves = """() => [...document.querySelectorAll('.mfa *')].some(one =>
      getComputedStyle(one).transitionDuration.split(', ').some(time => time !== '0s') ||
      getComputedStyle(one, '::after').animationName !== 'none')"""
    busy = "document.querySelector('.mfa-button-primary').setAttribute('aria-busy', 'true')"
    for motion, moving in (("no-preference", True), ("reduce", False)):
        page = visit(holds=("otp",), reduced_motion=motion).sign_in().page
        page.evaluate(busy)
        assert page.evaluate(moves) is moving, motion


def test_with_forced_colours_controls_keep_their_edges_and_the_qr_code_its_white(
    visit: Any, axe: str
) -> None:
    page = visit(forced_colors="active").sign_in().choose("otp").page
    edges = """() => [...document.querySelectorAll('.mfa-button, .mfa-input, .mfa-row')]
      .filter(one => one.checkVisibility())
      .map(one => getComputedStyle(one))
      .filter(style => parseFloat(style.borderTopWidth) < 1 || style.borderTopStyle === 'none' ||
        style.borderTopColor === style.backgroundColor).length"""
    assert page.evaluate(edges) == 0
    qr = "name => getComputedStyle(document.querySelector('.mfa-qr'))[name]"
    assert page.evaluate(qr, "backgroundColor") == "rgb(255, 255, 255)"
    page.focus(".mfa-button-primary")
    ring = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(ring) == "solid"
    assert findings(page, axe) == []


def test_a_host_sets_its_own_colours_and_typeface(visit: Any) -> None:
    visitor = visit(holds=("otp",), bypass_csp=True, reduced_motion="reduce")
    page = visitor.sign_in().page
    page.add_style_tag(
        content=":root { --mfa-accent: rgb(120, 10, 60); --mfa-on-accent: rgb(255, 240, 250);"
        " --mfa-radius: 0px; --mfa-font: serif; }"
    )
    style = "name => getComputedStyle(document.querySelector('.mfa-button-primary'))[name]"
    assert page.evaluate(style, "backgroundColor") == "rgb(120, 10, 60)"
    assert page.evaluate(style, "color") == "rgb(255, 240, 250)"
    assert page.evaluate(style, "borderRadius") == "0px"
    assert page.evaluate(style, "fontFamily") == "serif"


def test_the_scheme_follows_the_reader(visit: Any) -> None:
    page = visit(holds=("otp",)).sign_in().page
    colour = "getComputedStyle(document.querySelector('.mfa-card')).backgroundColor"
    seen = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        seen.add(page.evaluate(colour))
    assert seen == {"rgb(255, 255, 255)", "rgb(22, 26, 34)"}
