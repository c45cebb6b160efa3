"""A page of ours: its data, its headers, and the pages that say what is wrong.

The guard shows them too, so this stands below it and below the pages of `web/pages`.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, current_app, g, make_response, render_template, request, url_for
from flask_wtf.csrf import generate_csrf
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.errors import Locked, MfaError, NobodyCan, TooMany, Unavailable
from flask_melody_mfa.flows import policies
from flask_melody_mfa.web import answers, door, words
from flask_melody_mfa.web.proxies import this_request
from flask_melody_mfa.web.state import State, context, state
from flask_melody_mfa.web.urls import safe_path

log = logging.getLogger("flask_melody_mfa")

OWN_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FRAME_CSP = "frame-ancestors 'none'"
CSP = "Content-Security-Policy"
IN_HOSTS_LAYOUT = "flask_melody_mfa.in_hosts_layout"


class Page:
    """What every template may use as `mfa`."""

    def __init__(self, app: Flask) -> None:
        here = state()
        self.settings = here.settings
        self.locale = words.current_locale(self.settings.mfa_languages)
        self.texts = words.Texts(self.locale)
        self.issuer = self.settings.mfa_issuer or app.name
        self.base_template = self.settings.mfa_base_template
        self.languages = words.languages(self.settings.mfa_languages)
        self.dir = words.direction(self.locale)
        self.next = next_path() or ""
        self.here = shown_again_at()
        self.locale_url = url_for("mfa.locale")
        self.csp_nonce = csp_nonce()
        self._given: set[str] = set()

    def first_time(self, name: str) -> bool:
        """Whether this page asks for something for the first time, as our style and script."""
        first = name not in self._given
        self._given.add(name)
        return first

    @property
    def csrf_token(self) -> str:
        """A token for this browser's session."""
        return str(generate_csrf())

    def static(self, filename: str) -> str:
        """The address of one of our static files."""
        return url_for("mfa.static", filename=filename)

    def url(self, endpoint: str, **values: Any) -> str:
        """An address of ours, keeping `next`."""
        return url_for(endpoint, **values)


def csp_nonce() -> str:
    """The nonce of the host's policy: `g.csp_nonce`, or the template global `csp_nonce`.

    Either may be a function, as some extensions have it.
    """
    found = g.get("csp_nonce") or current_app.jinja_env.globals.get("csp_nonce") or ""
    return str(found() if callable(found) else found)


def next_path() -> str | None:
    """Where this request wants to end: the one `next` of its form or query, if it stays here."""
    for source in (request.form, request.args):
        values = source.getlist("next")
        if values:
            return safe_path(values[0]) if len(set(values)) == 1 else None
    return None


def shown_again_at() -> str:
    """The address of a GET that shows this page, or what comes nearest to it."""
    if request.method in ("GET", "HEAD"):
        return answers.this_path() or "/"
    rule = request.url_rule
    if rule is None or not rule.endpoint.startswith("mfa"):
        return "/"
    path = request.path if "GET" in (rule.methods or ()) else request.path.rpartition("/")[0]
    target = next_path()
    return path + (f"?{urlencode({'next': target})}" if target else "")


def keeping_next() -> dict[str, Any]:
    """`next` as an argument of `url_for`, where there is one."""
    target = next_path()
    return {"next": target} if target else {}


def render(
    template: str, status: int = 200, *, next_url: str | None = None, **values: Any
) -> BaseResponse:
    """A page of ours. `next_url`: where its forms lead to, unless the request named that."""
    page = Page(current_app._get_current_object())  # type: ignore[attr-defined]
    page.next = page.next or next_url or ""
    response = make_response(
        render_template(
            template,
            mfa=page,
            mfa_text=page.texts.mfa_text,
            mfa_ntext=page.texts.mfa_ntext,
            **values,
        ),
        status,
    )
    response.headers["Content-Language"] = page.locale.replace("_", "-")
    return secure(response, form_targets=returns_to())


def returns_to() -> str:
    """Where forms may lead besides this origin: to the application that sent the user to a policy.

    Browsers hold the answer to a form to `form-action` as well (CSP Level 3 §6.3.1).
    """
    token = door.mark().get("p")
    try:
        address = policies.redirect_of(context(), token) if token is not None else None
    except MfaError:
        return ""
    if address is None or address.startswith("/"):
        return ""
    parts = urlsplit(address)
    is_web = parts.scheme in ("http", "https")  # whose host was checked when it was registered
    return f"{parts.scheme}://{parts.netloc}" if is_web else f"{parts.scheme}:"


def secure(response: BaseResponse, *, form_targets: str = "") -> BaseResponse:
    """The headers of every answer of ours."""
    headers = response.headers
    headers["Cache-Control"] = "no-store"
    headers["Referrer-Policy"] = "same-origin"
    headers["X-Frame-Options"] = "DENY"
    headers["X-Content-Type-Options"] = "nosniff"
    if has_own_layout(state()):
        own = OWN_CSP.replace("form-action 'self'", f"form-action 'self' {form_targets}".strip())
        headers.setdefault(CSP, own)
    else:
        request.environ[IN_HOSTS_LAYOUT] = True
    return response


def has_own_layout(here: State) -> bool:
    """Whether our pages stand in a layout of ours, not in the host's."""
    return here.settings.mfa_base_template == "mfa/base.html"


def policy_at_last(response: Any) -> Any:
    """After the host's `after_request` functions: a page of ours in the host's layout gets a
    policy against framing, unless the host has given it one."""
    if IN_HOSTS_LAYOUT in this_request().environ:
        response.headers.setdefault(CSP, FRAME_CSP)
    return response


def error_page(error: MfaError, status: int | None = None) -> BaseResponse:
    """A page that says what is wrong and what to do."""
    say = words.Texts(words.current_locale(state().settings.mfa_languages))
    if isinstance(error, Locked):
        return locked_page(error.retry_after)
    if isinstance(error, NobodyCan):
        reason = words.STUCK.get(error.reason, words.STUCK_OTHERWISE)
        if error.reason in words.NOT_IN_THIS_SESSION:
            heading = say.mfa_text(HEADINGS[403])
            back = next_path() or "/"
            return render(
                "mfa/error.html", 403, heading=heading, detail=say.mfa_text(reason), back_url=back
            )
        return render("mfa/stuck.html", 403, reason=say.mfa_text(reason), cancel_url=cancel_url())
    if isinstance(error, Unavailable):
        log.error("An MFA page answered 503: %s", type(error).__name__)
        # The layout may ask who is there, and the host's own connection may be what failed.
        door.be_anonymous()
    sentence = words.ERRORS.get(error.code, words.ERRORS["unavailable"])
    response = render(
        "mfa/error.html",
        status or error.status,
        heading=say.mfa_text(HEADINGS.get(error.status, HEADINGS[400])),
        detail=say.mfa_text(sentence),
        back_url=next_path() or "/",
    )
    answers.retry_after(response, error)
    return response


HEADINGS = {
    400: words.mfa_lazy("That did not work"),
    403: words.mfa_lazy("Not allowed"),
    404: words.mfa_lazy("Not found"),
    409: words.mfa_lazy("That did not work"),
    429: words.mfa_lazy("Please wait"),
    503: words.mfa_lazy("Not available right now"),
}


def locked_page(retry_after: int, status: int = 429) -> BaseResponse:
    """Too many wrong proofs: the same for a right and a wrong code."""
    response = render(
        "mfa/locked.html",
        status,
        minutes=max(1, -(-retry_after // 60)),
        heading="",
        help=words.Texts(words.current_locale(state().settings.mfa_languages)).mfa_text(
            words.LOCKED_HELP
        ),
        retry_after=retry_after,
        sign_in_url=answers.login_url(),
        cancel_url=cancel_url(),
    )
    answers.retry_after(response, TooMany(retry_after))
    return response


def cancel_url() -> str:
    """Where a running challenge is given up; empty without one."""
    return url_for("mfa.challenge.cancel") if door.mark().get("c") else ""
