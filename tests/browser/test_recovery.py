"""Ways back in, and remembered devices, as a person with a browser meets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_melody_mfa.core.recovery_codes import canonical
from tests.browser.site import Visitor
from tests.host import totp

pytestmark = pytest.mark.browser

ON = {"ENABLE_RECOVERY_CODE": True, "ENABLE_MFA_REMEMBER_DEVICE": True}
SCRIPT = pytest.mark.parametrize(
    "script", [True, False], ids=["with JavaScript", "without JavaScript"]
)


def codes_on(page: Any) -> list[str]:
    """The codes that the sheet shows."""
    texts: list[str] = page.locator(".mfa-codes li").all_text_contents()
    return [text.strip() for text in texts]


def with_codes(visitor: Visitor) -> list[str]:
    """Sign in, make the codes that are offered, say that they are saved, and sign out."""
    visitor.sign_in().otp()
    assert visitor.path == "/mfa/enroll/recovery-codes"
    visitor.press("form[data-mfa-form] button[type=submit]")
    codes = codes_on(visitor.page)
    visitor.press("button[name=saved]")
    assert visitor.path == "/secret"
    visitor.go("/logout")
    return codes


@SCRIPT
def test_lose_the_phone_and_replace_it(visit: Any, script: bool) -> None:
    visitor = visit(holds=("otp",), config=ON, java_script_enabled=script)
    page = visitor.page
    with visitor.host.clock() as clock:
        codes = with_codes(visitor)
        assert len(codes) == 10
        clock.tick(60)
        visitor.sign_in()
        with page.expect_navigation():
            page.get_by_role("link", name="Recovery code").click()
        visitor.code(codes[0].lower().replace("-", " "))
        assert visitor.path == "/mfa/enroll/replace"
        assert "9 are left" in page.inner_text("body")
        with page.expect_navigation():
            page.get_by_role("button", name="Replace: Authenticator app").click()
        assert visitor.path == "/mfa/enroll/otp"
        if not script:
            page.locator("details summary").first.click()
        else:
            page.click("summary")
        key = visitor.key()
        visitor.code(totp(key, clock))
        assert visitor.path == "/secret"
        visitor.go("/logout")
        clock.tick(60)
        visitor.sign_in().code(totp(key, clock))
        assert visitor.path == "/secret"


@SCRIPT
def test_forget_the_password(visit: Any, script: bool) -> None:
    visitor = visit(holds=("otp",), config=ON, java_script_enabled=script)
    page = visitor.page
    with visitor.host.clock() as clock:
        codes = with_codes(visitor)
        clock.tick(60)
        visitor.go("/mfa/recover?next=/secret")
        page.get_by_label("Email address or user name").fill(visitor.email)
        visitor.code(codes[0])
        assert visitor.path == "/mfa/challenge/otp"
        visitor.otp()
        assert "Your password has not been changed" in page.inner_text("main")
        with page.expect_navigation():
            page.get_by_role("link", name="Continue").click()
        assert visitor.path == "/secret"
        visitor.go("/logout").go("/mfa/recover")
        page.get_by_label("Email address or user name").fill(visitor.email)
        visitor.code(codes[0])
        assert "each recovery code works once" in page.inner_text("main")
        assert page.get_by_label("Email address or user name").input_value() == visitor.email


@SCRIPT
def test_remember_the_device_sign_in_without_a_code_and_forget_it(visit: Any, script: bool) -> None:
    visitor = visit(holds=("otp",), config=ON, java_script_enabled=script)
    page = visitor.page
    with visitor.host.clock() as clock:
        with_codes(visitor)
        clock.tick(60)
        visitor.sign_in()
        page.get_by_label("Remember this device for 30 days").check()
        visitor.otp()
        assert visitor.path == "/secret"
        visitor.go("/logout").sign_in()
        assert visitor.path == "/secret", "no code was asked for"
        visitor.go("/mfa/devices")
        assert "Chrome on Linux This device" in " ".join(page.inner_text("main").split())
        with page.expect_navigation():
            page.get_by_role("button", name="Forget").click()
        assert "The device is forgotten." in page.inner_text("main")
        assert visitor.path == "/mfa/challenge/otp", "this session relied on it"
        clock.tick(60)
        visitor.otp()
        assert "No browser is remembered" in page.inner_text("main")
        visitor.go("/logout").sign_in()
        assert visitor.path == "/mfa/challenge/otp"


@SCRIPT
def test_the_sheet_is_downloaded_printed_and_copied(
    visit: Any, script: bool, tmp_path: Path
) -> None:
    visitor = visit(
        holds=("otp",),
        config=ON,
        java_script_enabled=script,
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = visitor.page
    visitor.sign_in().otp().press("form[data-mfa-form] button[type=submit]")
    codes = codes_on(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as a text file").click()
    download.value.save_as(tmp_path / "codes.txt")
    assert download.value.suggested_filename == "recovery-codes.txt"
    lines = (tmp_path / "codes.txt").read_text().splitlines()
    assert [line for line in lines if canonical(line)] == codes
    assert codes_on(page) == codes, "the page stays"
    copy, printing = (page.get_by_role("button", name=name) for name in ("Copy", "Print"))
    assert copy.is_visible() is printing.is_visible() is script
    if script:
        copy.click()
        page.get_by_role("button", name="Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()").split("\n") == codes
        page.evaluate("window.print = () => { window.printed = true }")
        printing.click()
        assert page.evaluate("window.printed")
    page.emulate_media(media="print")
    assert page.locator(".mfa-codes").is_visible()
    assert not page.get_by_role("button", name="I have saved these codes").is_visible()
    assert not page.locator(".mfa-page-footer").is_visible()


def test_a_code_of_the_wrong_length_is_told_before_it_costs_a_try(visit: Any) -> None:
    visitor = visit(holds=("otp",), config=ON)
    with visitor.host.clock() as clock:
        with_codes(visitor)
        clock.tick(60)
        visitor.sign_in().go("/mfa/challenge/recovery-code")
        visitor.page.fill("[name=code]", "ABCD-1234")
        visitor.page.keyboard.press("Enter")
        assert visitor.page.evaluate("document.querySelector('#mfa-code').validity.patternMismatch")
        assert visitor.path == "/mfa/challenge/recovery-code"
