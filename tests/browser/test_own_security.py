"""In Chromium, without and with JavaScript: the account page, and policies for another app."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server

from example_app import partner
from flask_melody_mfa import PolicyResult
from tests.browser.site import BrowserHost, Quiet, Site, Visitor
from tests.races.racers import codes_of

pytestmark = pytest.mark.browser

SCRIPTS = pytest.mark.parametrize("scripts", [False, True], ids=["without-script", "with-script"])
CONFIG = {
    "ENABLE_RECOVERY_CODE": True,
    "ENABLE_MFA_REMEMBER_DEVICE": True,
    "ALLOW_PASSKEY_ENROLLMENT": True,
}


class Town:
    """A host, and Letterbox beside it, which sends its members there."""

    def __init__(self, url: str) -> None:
        app = partner.create_partner("", "", self.read)
        self.server = make_server("localhost", 0, app, threaded=True, request_handler=Quiet)
        self.letterbox = f"http://localhost:{self.server.server_port}"
        clients = {partner.CLIENT_ID: partner.client_of(self.letterbox)}
        self.site = Site(BrowserHost(url, MFA_CLIENTS=clients, **CONFIG))
        app.config.update(FERNLEAF=self.site.base, OWN=self.letterbox)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def read(self, token: str) -> PolicyResult | None:
        """What Letterbox learns of a result."""
        with self.site.host.app.app_context():
            result: PolicyResult | None = self.site.host.mfa.read_policy_result(token)
            return result

    def close(self) -> None:
        """Stop both."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.site.close()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    running = Town(f"sqlite:///{tmp_path_factory.mktemp('town') / 'host.db'}")
    yield running
    running.close()


@pytest.fixture
def visit(chromium: Any, town: Town) -> Iterator[Callable[..., Visitor]]:
    """`visit(holds=…, scripts=…)`: a new user with a browser."""
    visitors: list[Visitor] = []

    def give(*, holds: tuple[str, ...], scripts: bool) -> Visitor:
        visitor = Visitor(chromium, town.site, holds=holds, java_script_enabled=scripts)
        visitors.append(visitor)
        return visitor

    yield give
    for visitor in visitors:
        blocked = [line for line in visitor.console if "Content Security Policy" in line]
        visitor.close()
        assert blocked == []


def press(visitor: Visitor, role: str, name: str) -> None:
    """Press a link or button by what it says, and wait for the page."""
    with visitor.page.expect_navigation():
        visitor.page.get_by_role(role, name=name).first.click()


def later(visitor: Visitor) -> None:
    """Leave what is offered after a sign-in, until there is nothing more."""
    while visitor.path.startswith("/mfa/enroll/"):
        label = "Not now"
        kind = "link" if visitor.page.get_by_role("link", name=label).count() else "button"
        press(visitor, kind, label)


def free_codes(visitor: Visitor) -> None:
    """Let the authenticator's code of this moment be good once more: nobody waits 30 seconds."""
    host = visitor.host
    with host.app.app_context():
        table = host.db.metadata.tables["mfa_credential"]
        mine = table.c.user_key == str(visitor.user_id)
        host.db.session.execute(table.update().where(mine).values(last_step=None))
        host.db.session.commit()


def prove(visitor: Visitor) -> None:
    """Give the code that the authenticator shows now; it may be given again."""
    visitor.code(codes_of(visitor.host, visitor.user_id)[0])
    free_codes(visitor)


def sign_in(visitor: Visitor, *, remember: bool = False) -> None:
    """Sign in with the authenticator."""
    visitor.sign_in()
    if remember:
        visitor.remember()
    prove(visitor)
    later(visitor)


def says(visitor: Visitor, text: str) -> bool:
    """Whether the page shows a text."""
    return bool(visitor.page.get_by_text(text).first.is_visible())


@SCRIPTS
def test_factors_are_named_added_replaced_and_removed(
    visit: Callable[..., Visitor], scripts: bool
) -> None:
    ada = visit(holds=("otp", "email"), scripts=scripts)
    sign_in(ada)
    ada.go("/mfa/account")
    press(ada, "link", "Rename: Authenticator app")
    ada.page.get_by_label("Name").fill("Old phone")
    press(ada, "button", "Save")
    assert says(ada, "The name was saved.")
    assert says(ada, "Old phone")

    press(ada, "link", "Add a sign-in step")
    press(ada, "button", "Text message")
    ada.number()
    ada.code()
    assert ada.path == "/mfa/account"
    assert says(ada, "Text message")

    press(ada, "link", "Remove: Email code")
    press(ada, "button", "Remove")
    assert says(ada, "Removed: Email code.")

    press(ada, "link", "Replace: Authenticator app")
    press(ada, "button", "Continue")
    assert ada.path == "/mfa/enroll/otp"
    assert len(ada.host.rows("mfa_credential")) >= 2
    press(ada, "button", "Cancel")
    assert ada.path == "/mfa/account"
    assert says(ada, "Old phone")


@SCRIPTS
def test_a_device_is_forgotten_and_asked_again(
    visit: Callable[..., Visitor], scripts: bool
) -> None:
    ada = visit(holds=("otp",), scripts=scripts)
    sign_in(ada, remember=True)
    ada.go("/logout").sign_in()
    assert ada.path == "/secret"
    ada.go("/mfa/account")
    assert says(ada, "This device")
    press(ada, "button", "Forget")
    # This session had shown nothing but the device: so it is asked at once, and then goes on.
    assert ada.path == "/mfa/challenge/otp"
    prove(ada)
    later(ada)
    assert ada.path == "/mfa/account"
    assert says(ada, "No browser is remembered.")
    ada.go("/logout").sign_in()
    assert ada.path == "/mfa/challenge/otp"


@SCRIPTS
def test_another_browser_is_signed_out_from_here(
    visit: Callable[..., Visitor], scripts: bool, chromium: Any
) -> None:
    ada = visit(holds=("otp",), scripts=scripts)
    sign_in(ada)
    first = ada.context.cookies()
    ada.context.clear_cookies()
    sign_in(ada)
    press(ada.go("/mfa/account"), "link", "Sign out everywhere else")
    press(ada, "button", "Sign out there")
    assert says(ada, "You are signed out everywhere else.")
    ada.context.clear_cookies()
    ada.context.add_cookies(first)
    ada.go("/secret")
    assert ada.path == "/login"


@SCRIPTS
@pytest.mark.parametrize(
    ("title", "steps", "said"),
    [
        ("Passkeys", ["Back to Letterbox"], "Your passkeys are as you want them."),
        ("Remembered devices", ["Back to Letterbox"], "Your devices are as you want them."),
        (
            "Recovery codes",
            ["Show 10 new recovery codes", "I have saved these codes"],
            "You have new recovery codes.",
        ),
        ("Reset your sign-in steps", ["Cancel"], "You came back without a change."),
    ],
)
def test_letterbox_sends_its_member_and_gets_them_back(
    visit: Callable[..., Visitor],
    town: Town,
    scripts: bool,
    title: str,
    steps: list[str],
    said: str,
) -> None:
    ada = visit(holds=("otp",), scripts=scripts)
    ada.page.goto(town.letterbox)
    ada.page.get_by_role("link", name=title).click()
    ada.page.wait_for_url("**/login?**")
    ada.page.get_by_label("Email").fill(ada.email)
    ada.page.get_by_label("Password").fill("pw")
    press(ada, "button", "Sign in")
    prove(ada)
    later(ada)
    assert ada.path.startswith("/mfa/policy/")
    for step in steps:
        press(ada, "button", step)
    ada.page.wait_for_url(town.letterbox + "/")
    assert says(ada, said)


@SCRIPTS
def test_a_reset_leads_through_the_set_up_and_back(
    visit: Callable[..., Visitor], town: Town, scripts: bool
) -> None:
    ada = visit(holds=("otp",), scripts=scripts)
    sign_in(ada)
    ada.page.goto(town.letterbox)
    ada.page.get_by_role("link", name="Reset your sign-in steps").click()
    ada.page.wait_for_url("**/mfa/policy/**")
    ada.page.get_by_label("Authenticator app").check()
    press(ada, "button", "Reset")
    assert ada.path == "/mfa/enroll"
    press(ada, "button", "Email code")
    press(ada, "button", "Send code")
    ada.code()
    later(ada)
    ada.page.wait_for_url(town.letterbox + "/")
    assert says(ada, "Your sign-in steps have been reset.")
    ada.go("/mfa/account")
    assert says(ada, "Email code")
    assert not ada.page.get_by_text("Authenticator app", exact=True).count()


@SCRIPTS
def test_a_step_up_that_is_given_up_leads_back_to_letterbox(
    visit: Callable[..., Visitor], town: Town, scripts: bool
) -> None:
    ada = visit(holds=("otp", "email"), scripts=scripts)
    ada.sign_in().go("/mfa/challenge/email").send().code()
    later(ada)
    ada.page.goto(town.letterbox)
    ada.page.get_by_role("link", name="Remembered devices").click()
    ada.page.wait_for_url("**/mfa/challenge/otp**")
    press(ada, "button", "Cancel")
    ada.page.wait_for_url(town.letterbox + "/")
    assert says(ada, "You came back without a change.")
