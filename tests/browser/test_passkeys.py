"""Passkeys in Chromium, with its virtual authenticators (CDP domain `WebAuthn`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import render_template_string, request

from tests.browser.site import BrowserHost, Site, Visitor

pytestmark = pytest.mark.browser

LOGIN = """<!doctype html><html lang="en"><title>Sign in</title><main><h1>Sign in</h1>
{% from "mfa/macros.html" import passkey_button, passkey_autofill %}
<form method="post" action="/login?{{ request.query_string.decode() }}">
<label>Email <input name="email" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<label><input name="remember" type="checkbox"> Remember me</label>
<button>Sign in</button></form>
{{ passkey_button() }}{% if request.args.get("autofill") %}{{ passkey_autofill() }}{% endif %}
</main></html>"""

CONFIG = {"ALLOW_PASSKEY_ENROLLMENT": True, "ENFORCE_ONE_MFA_ENROLLMENT": []}


class PasskeyHost(BrowserHost):
    """A host with a passkey button, and autofill where it is asked for, in its login form."""

    def views(self) -> None:
        super().views()
        sign_in = self.app.view_functions["login"]
        self.app.view_functions["login"] = lambda: (
            sign_in() if request.method == "POST" else render_template_string(LOGIN)
        )


class Authenticator:
    """A virtual authenticator of one tab."""

    def __init__(self, visitor: Visitor, **options: Any) -> None:
        self.cdp = visitor.context.new_cdp_session(visitor.page)
        self.cdp.send("WebAuthn.enable", {"enableUI": False})
        added = self.cdp.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "ctap2Version": "ctap2_1",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                    **options,
                }
            },
        )
        self.id = {"authenticatorId": added["authenticatorId"]}

    def credentials(self) -> list[dict[str, Any]]:
        """What it holds."""
        found: list[dict[str, Any]] = self.cdp.send("WebAuthn.getCredentials", self.id)[
            "credentials"
        ]
        return found

    def add(self, credential: dict[str, Any]) -> None:
        """Put a credential in."""
        self.cdp.send("WebAuthn.addCredential", {**self.id, "credential": credential})

    def is_present(self, here: bool) -> None:
        """Whether somebody touches it when it asks."""
        self.cdp.send("WebAuthn.setAutomaticPresenceSimulation", {**self.id, "enabled": here})

    def verifies(self, verified: bool) -> None:
        """Whether the user passes its check."""
        self.cdp.send("WebAuthn.setUserVerified", {**self.id, "isUserVerified": verified})

    def remove(self) -> None:
        """Take the authenticator away."""
        self.cdp.send("WebAuthn.removeVirtualAuthenticator", self.id)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    with ExitStack() as stack:

        def give(**config: Any) -> Site:
            file = tmp_path_factory.mktemp("site") / "host.db"
            site = Site(PasskeyHost(f"sqlite:///{file}", **{**CONFIG, **config}))
            stack.callback(site.close)
            return site

        yield give


@pytest.fixture(scope="module")
def site(sites: Callable[..., Site]) -> Site:
    return sites()


@pytest.fixture
def visit(chromium: Any, site: Site) -> Iterator[Callable[..., Visitor]]:
    with ExitStack() as stack:

        def give(at: Site = site, **options: Any) -> Visitor:
            visitor = Visitor(chromium, at, **options)
            stack.callback(visitor.close)
            return visitor

        yield give


def make(visitor: Visitor) -> Visitor:
    """Sign in with the password, and make the passkey that is offered."""
    visitor.sign_in()
    assert visitor.path == "/mfa/enroll/passkey"
    visitor.press("[data-mfa-start]")
    assert visitor.path == "/secret", visitor.page.inner_text("body")
    return visitor


def sign_out(visitor: Visitor) -> Visitor:
    return visitor.go("/logout")


def error(visitor: Visitor) -> str:
    """What the page says, once it says something."""
    place = visitor.page.locator("[data-mfa-error]:visible").first
    place.wait_for()
    return str(place.inner_text())


def complaints(visitor: Visitor) -> list[str]:
    """What the browser complains of, but for the icon that the host does not have."""
    return [line for line in visitor.console if "404" not in line]


def rows(visitor: Visitor) -> list[Any]:
    """The visitor's passkeys as they are stored."""
    mine = str(visitor.user_id)
    return [row for row in visitor.host.rows("mfa_passkey") if row["user_key"] == mine]


def test_prompt_enroll_sign_out_sign_in_by_button(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    authenticator = Authenticator(visitor)
    make(visitor)
    (kept,) = authenticator.credentials()
    assert kept["isResidentCredential"] is True
    assert [row["uv_initialized"] for row in rows(visitor)] == [1]
    sign_out(visitor).go("/login?next=/secret")
    visitor.press("[data-mfa-start]")
    assert visitor.path == "/secret"
    assert visitor.email in visitor.page.inner_text("body")
    assert complaints(visitor) == []


def test_sign_in_by_autofill(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    Authenticator(visitor)
    make(visitor)
    sign_out(visitor)
    visitor.go("/login?next=/secret&autofill=1")
    visitor.page.wait_for_url(visitor.site.base + "/secret")


def test_autofill_and_button_work_on_one_page(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    authenticator = Authenticator(visitor)
    make(visitor)
    sign_out(visitor)
    authenticator.is_present(False)
    visitor.go("/login?next=/secret&autofill=1")
    field = visitor.page.locator("[name=email]")
    visitor.page.wait_for_function(
        "document.querySelector('[name=email]').autocomplete === 'username webauthn'"
    )
    assert field.get_attribute("autocomplete") == "username webauthn"
    visitor.page.wait_for_timeout(300)
    authenticator.is_present(True)
    if visitor.path != "/secret":
        visitor.page.click("[data-mfa-start]")
        visitor.page.wait_for_url(visitor.site.base + "/secret")
    assert complaints(visitor) == []


def test_a_passkey_as_second_factor(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    Authenticator(visitor)
    make(visitor)
    sign_out(visitor).sign_in()
    assert visitor.path == "/mfa/challenge/passkey"
    visitor.press("[data-mfa-start]")
    assert visitor.path == "/secret"


def test_rename_and_remove_and_the_authenticator_loses_it(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    authenticator = Authenticator(visitor)
    make(visitor)
    sign_out(visitor).go("/login?next=/mfa/account")
    visitor.press("[data-mfa-start]")
    assert visitor.path == "/mfa/account"
    visitor.press("a[href*='/rename']")
    visitor.page.fill("[name=name]", "Grey laptop")
    visitor.press("form:has([name=name]) button[type=submit]")
    assert "Grey laptop" in visitor.page.inner_text("main")
    assert len(authenticator.credentials()) == 1
    visitor.press("a[href*='/passkeys/'][href*='/remove']")
    visitor.press(".mfa-card form button[type=submit]")
    assert rows(visitor) == []
    visitor.page.wait_for_timeout(300)
    assert authenticator.credentials() == []
    assert complaints(visitor) == []


def test_an_unknown_passkey_is_forgotten_by_the_browser(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    authenticator = Authenticator(visitor)
    make(visitor)
    sign_out(visitor)
    with visitor.host.app.app_context():
        visitor.host.mfa.reset(visitor.host.get(visitor.user_id))
    visitor.go("/login")
    visitor.page.click("[data-mfa-start]")
    assert "did not work" in error(visitor)
    for _ in range(20):
        if not authenticator.credentials():
            break
        visitor.page.wait_for_timeout(100)
    assert authenticator.credentials() == []


def test_a_device_that_verifies_nobody_leads_to_another_way(
    visit: Callable[..., Visitor],
) -> None:
    visitor = visit(holds=("otp",))
    first = Authenticator(visitor)
    visitor.sign_in().otp()
    visitor.press("[data-mfa-start]")
    assert visitor.path == "/secret"
    (passkey,) = first.credentials()
    first.remove()
    blind = Authenticator(visitor, hasUserVerification=False, isUserVerified=False)
    blind.add(passkey)
    sign_out(visitor).go("/login?next=/secret")
    visitor.page.click("[data-mfa-start]")
    assert error(visitor)
    assert visitor.path == "/login", "refused in place of a password"
    visitor.page.fill("[name=email]", visitor.email)
    visitor.page.fill("[name=password]", "pw")
    visitor.press("form button")
    assert visitor.path == "/mfa/challenge/otp", "and a further factor is asked"
    visitor.press("a[href*='/challenge/passkey']")
    visitor.page.click("[data-mfa-start]")
    assert error(visitor)
    visitor.press("a[href*='/challenge/otp']")
    with visitor.host.clock() as clock:
        clock.tick(60)
        visitor.otp()
    assert visitor.path == "/secret"


def test_two_tabs_do_not_disturb_each_other(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    Authenticator(visitor)
    make(visitor)
    sign_out(visitor).go("/login?next=/secret")
    other = visitor.context.new_page()
    other.goto(visitor.site.base + "/login?next=/status")
    other.wait_for_selector("[data-mfa-start]")
    visitor.press("[data-mfa-start]")
    assert visitor.path == "/secret"
    other.reload()
    visitor.go("/logout").go("/login?next=/secret")
    visitor.press("[data-mfa-start]")
    assert visitor.path == "/secret"


def test_what_is_said_of_a_cancelled_and_a_double_one(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    authenticator = Authenticator(visitor)
    authenticator.verifies(False)
    visitor.sign_in()
    visitor.page.click("[data-mfa-start]")
    assert "no passkey was made" in error(visitor)
    authenticator.verifies(True)
    visitor.press("[data-mfa-start]")
    assert visitor.path == "/secret"
    sign_out(visitor).go("/login?next=/mfa/enroll/passkey")
    visitor.press("[data-mfa-start]")
    assert visitor.path == "/mfa/enroll/passkey"
    visitor.page.click("[data-mfa-start]")
    assert "already" in error(visitor)
    assert len(rows(visitor)) == 1


def test_what_is_said_where_the_server_is_gone(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    Authenticator(visitor)
    visitor.go("/login")
    visitor.page.route("**/passkey/options", lambda route: route.abort())
    visitor.page.click("[data-mfa-start]")
    assert "could not reach" in error(visitor)


def test_a_browser_without_passkeys_says_so(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    visitor.page.add_init_script("delete window.PublicKeyCredential")
    visitor.sign_in()
    assert "cannot use passkeys" in error(visitor)
    assert not visitor.page.is_visible("[data-mfa-start]")
    visitor.press("button:has-text('Not now')")
    assert visitor.path == "/secret"


def test_an_older_browser_reads_and_writes_with_our_help(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    Authenticator(visitor)
    visitor.page.add_init_script(
        "delete PublicKeyCredential.parseCreationOptionsFromJSON;"
        "delete PublicKeyCredential.parseRequestOptionsFromJSON;"
        "PublicKeyCredential.prototype.toJSON = () => { throw new TypeError('not here'); };"
    )
    make(visitor)
    sign_out(visitor).go("/login?next=/secret")
    visitor.press("[data-mfa-start]")
    assert visitor.path == "/secret"


def test_the_prompt_is_put_off_without_script(visit: Callable[..., Visitor]) -> None:
    visitor = visit(java_script_enabled=False)
    visitor.sign_in()
    assert visitor.path == "/mfa/enroll/passkey"
    assert "need JavaScript" in visitor.page.inner_text("noscript")
    visitor.page.check("[name=dont_ask_again]")
    visitor.press("button:has-text('Not now')")
    assert visitor.path == "/secret"
    sign_out(visitor).sign_in()
    assert visitor.path == "/secret"


def test_a_challenge_works_without_script_by_another_way(visit: Callable[..., Visitor]) -> None:
    visitor = visit(holds=("otp",))
    Authenticator(visitor)
    visitor.sign_in().otp()
    visitor.press("[data-mfa-start]")
    plain = visitor.context.browser.new_context(
        java_script_enabled=False, storage_state=visitor.context.storage_state()
    )
    try:
        visitor.page = plain.new_page()
        sign_out(visitor)
        visitor.context, context = plain, visitor.context
        visitor.sign_in()
        visitor.press("a[href*='/challenge/passkey']")
        assert "need JavaScript" in visitor.page.inner_text("noscript")
        visitor.press("a[href*='/challenge/otp']")
        visitor.context = context
    finally:
        plain.close()


def test_a_passkey_is_made_without_asking_where_the_browser_can(
    sites: Callable[..., Site], visit: Callable[..., Visitor]
) -> None:
    visitor = visit(holds=("otp",))
    Authenticator(visitor)
    visitor.page.add_init_script(
        "PublicKeyCredential.getClientCapabilities = async () => ({conditionalCreate: true});"
        "const make = navigator.credentials.create.bind(navigator.credentials);"
        "navigator.credentials.create = ({mediation, ...rest}) => {"
        " window.sawMediation = mediation; return make(rest); };"
    )
    visitor.sign_in()
    visitor.otp()
    visitor.page.wait_for_url(visitor.site.base + "/secret")
    assert len(rows(visitor)) == 1
    assert "passkey_added" in visitor.host.events(visitor.user_id)
