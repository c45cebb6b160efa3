"""A host app on localhost, and somebody who visits it with Chromium."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import redirect, render_template_string, request
from flask_login import login_user
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_melody_mfa.core.otp import decode_secret
from tests.host import Host

LOGIN = """<!doctype html><html lang="en"><title>Sign in</title><main><h1>Sign in</h1>
{% for message in get_flashed_messages() %}<p role="status">{{ message }}</p>{% endfor %}
<form method="post"><label>Email <input name="email"></label>
<label>Password <input name="password" type="password"></label>
<label><input name="remember" type="checkbox"> Remember me</label>
<button>Sign in</button></form></main></html>"""


UNREACHABLE = "+447400999999"


def carry(message: Any) -> None:
    """Carry a text message to any number but one."""
    if message.to == UNREACHABLE:
        raise OSError("no route")


class BrowserHost(Host):
    """The plain host with a sign-in form that a person can fill in; forms need their token."""

    def __init__(self, url: str, **config: Any) -> None:
        super().__init__(url, **{"WTF_CSRF_ENABLED": True, "MFA_ISSUER": "Melody", **config})
        self.mfa.send_sms(carry)

    def views(self) -> None:
        """The host's own views."""
        super().views()
        sign_in = self.app.view_functions["login"]

        def login() -> Any:
            return sign_in() if request.method == "POST" else render_template_string(LOGIN)

        self.app.view_functions["login"] = login

        @self.app.route("/enter/<int:user_id>")
        def enter(user_id: int) -> Any:
            login_user(self.get(user_id))
            return redirect("/secret")


class Quiet(WSGIRequestHandler):
    """Serves, and logs no requests."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


class Site:
    """A host that listens on a free port of localhost, in threads of this process.

    What a visitor says in `X-Forwarded-For` is the visitor's address, so that limits per
    address do not add up over the tests.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.server = make_server(
            "localhost",
            0,
            ProxyFix(host.app),  # type: ignore[arg-type]
            threaded=True,
            request_handler=Quiet,
        )
        self.base = f"http://localhost:{self.server.server_port}"
        # Read at the first request: passkeys are used at this very origin.
        host.app.config.setdefault("MFA_ORIGINS", [self.base])
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        self.count = itertools.count(1)

    def close(self) -> None:
        """Stop listening, and let the database go."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        with self.host.app.app_context():
            self.host.db.engine.dispose()


def listen(page: Any, said: list[str]) -> None:
    """Collect what a page's console says: errors, and what a policy has blocked.

    Not that a field could not take the focus because the test was faster.
    """

    def keep(text: str) -> None:
        if not text.startswith("Autofocus processing was blocked"):
            said.append(text)

    page.on("console", lambda message: keep(message.text))
    page.on("pageerror", lambda error: keep(str(error)))


class Visitor:
    """A user of the host with a browser. Most methods return the visitor, to be chained."""

    def __init__(
        self,
        chromium: Any,
        site: Site,
        *,
        holds: tuple[str, ...] = (),
        user: dict[str, Any] | None = None,
        **browser: Any,
    ) -> None:
        number = next(site.count)
        self.site, self.host = site, site.host
        self.email = f"ada.lovelace{number}@example.org"
        self.phone = f"+4474001{number:05d}"
        self.user_id = self.host.user(self.email, **{"phone": self.phone, **(user or {})})
        self.host.enroll(self.user_id, *holds)
        address = f"10.{number >> 8 & 255}.{number & 255}.7"
        self.context = chromium.new_context(
            **{
                "locale": "en",
                "viewport": {"width": 390, "height": 844},
                "extra_http_headers": {"X-Forwarded-For": address},
                **browser,
            }
        )
        self.context.set_default_timeout(10_000)
        self.page = self.context.new_page()
        self.language = browser.get("locale", "en")
        self.console: list[str] = []
        self.recovery_codes: list[str] = []
        listen(self.page, self.console)

    def close(self) -> None:
        """Close the browser's windows, and forget what they keep."""
        self.context.close()

    @property
    def path(self) -> str:
        """The path of the page that is shown."""
        return urlsplit(self.page.url).path

    def go(self, path: str) -> Visitor:
        """Open a page."""
        self.page.goto(self.site.base + path)
        return self

    def then(self, act: Callable[[Visitor], Any]) -> Visitor:
        """Do something else in between."""
        act(self)
        return self

    def sign_in(self, next_path: str = "/secret", **fields: str) -> Visitor:
        """Give the password, and stand where the host's answer leads."""
        query = urlencode({"next": next_path})
        form = {"email": self.email, "password": "pw", **fields}
        answer = self.context.request.post(
            f"{self.site.base}/login?{query}",
            form=form,
            headers={"Accept": "text/html", "Accept-Language": self.language},
            max_redirects=0,
        )
        return self.go(answer.headers["location"])

    def sign_in_by_get(self) -> Visitor:
        """Come with a session that owes MFA and no message sent, as from a link that signs in."""
        return self.go(f"/enter/{self.user_id}")

    def press(self, selector: str) -> Visitor:
        """Press something that leads to a page, and wait for it."""
        with self.page.expect_navigation():
            self.page.click(selector)
        return self

    def send(self) -> Visitor:
        """Ask for a code."""
        return self.press("form[action$='/send'] button")

    def choose(self, factor: str) -> Visitor:
        """Choose a factor to set up."""
        return self.press(f"button[name=factor][value={factor}]")

    def number(self, text: str | None = None) -> Visitor:
        """Give a phone number: the visitor's own, unless another is named."""
        self.page.fill("[name=phone_number]", self.phone if text is None else text)
        return self.press("form:has([name=phone_number]:not([type=hidden])) button[type=submit]")

    def code(self, code: str | None = None) -> Visitor:
        """Give a code: the one that was sent, unless another is named."""
        self.page.fill("[name=code]", self.sent_code() if code is None else code)
        return self.press("form:has([name=code]) button[type=submit]")

    def key(self) -> bytes:
        """The authenticator key on the page, opened."""
        return decode_secret(self.page.inner_text("#mfa-key"))

    def otp(self) -> Visitor:
        """Give a code of the authenticator."""
        return self.code(self.host.otp(self.user_id))

    def make_codes(self) -> Visitor:
        """Have recovery codes made, and keep them."""
        self.press("form[action*='recovery-codes'] button")
        shown = self.page.locator("#mfa-codes li").all_inner_texts()
        self.recovery_codes = ["".join(text.split()) for text in shown]
        return self

    def save_codes(self) -> Visitor:
        """Have recovery codes made, and say that they are saved."""
        return self.make_codes().press("button[name=saved]")

    def account(self, link: str = "") -> Visitor:
        """Sign in with the authenticator, open the account page, and follow a link of it."""
        self.sign_in().otp().go("/mfa/account")
        return self.press(f"a[href*='{link}']") if link else self

    def policy(self, name: str) -> Visitor:
        """Sign in with the authenticator, and come from an app to one of the policies' pages."""
        return self.sign_in().otp().go(f"/mfa/policy/{name}?redirect_uri=/secret")

    def not_me(self) -> Visitor:
        """Follow the link of the last notice."""
        found = re.search(r"https?://[^/\s]+(/mfa/not-me/\S+)", self.sent()[-1].text)
        assert found is not None
        return self.go(found[1])

    def with_codes(self) -> Visitor:
        """Have a set of recovery codes, and be signed out."""
        return self.sign_in().otp().save_codes().go("/logout")

    def spend(self) -> Visitor:
        """Give a recovery code."""
        return self.code(self.recovery_codes[0])

    def remember(self) -> Visitor:
        """Tick that this browser be remembered."""
        self.page.check("[name=remember_device]")
        return self

    def recover(self, code: str | None = None) -> Visitor:
        """Give login and recovery code in place of the password."""
        self.go("/mfa/recover").page.fill("[name=login]", self.email)
        return self.code(self.recovery_codes[0] if code is None else code)

    def wrong(self, times: int = 1) -> Visitor:
        """Give wrong codes; only what comes of the last one is shown."""
        token = self.page.input_value("form:has([name=code]) [name=csrf_token]")
        for _ in range(times - 1):
            form = {"csrf_token": token, "code": "000000"}
            self.context.request.post(self.page.url, form=form, max_redirects=0)
        return self.code("000000")

    def sent(self) -> list[Any]:
        """The mails and text messages that were sent to this visitor."""
        return [one for one in self.host.sent if one.to in (self.email, self.phone)]

    def sent_code(self) -> str:
        """The code in the last message."""
        found = re.findall(r"\b\d{6}\b", self.sent()[-1].text)
        return str(found[-1])

    def send_at_once(self) -> Visitor:
        """Ask for another code within the pause, as nobody can by the page's own button."""
        with self.page.expect_navigation():
            self.page.evaluate("document.querySelector(\"form[action$='/send']\").submit()")
        return self

    def without_email(self) -> Visitor:
        """Have no address any more."""
        with self.host.app.app_context():
            self.host.get(self.user_id).email = None
            self.host.db.session.commit()
        return self

    def refused(self) -> Visitor:
        """Wait until the script says what is wrong."""
        self.page.locator("[data-mfa-error]:visible").wait_for()
        return self

    def spoil(self) -> Visitor:
        """Send the first form of the page with a token that is not its own."""
        with self.page.expect_navigation():
            self.page.evaluate(
                "() => { const form = document.querySelector('.mfa-card form');"
                " form.csrf_token.value = 'x'; form.submit(); }"
            )
        return self

    def mail(self, subject: str = "") -> Visitor:
        """Show the last mail (whose subject holds `subject`), as a mail program would."""
        mails = [one for one in self.sent() if hasattr(one, "subject") and subject in one.subject]
        self.page.goto("about:blank")
        self.page.set_content(mails[-1].html)
        return self
