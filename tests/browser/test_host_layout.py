"""Our pages inside a host's own layout, with its styles, under its strict policy."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import g
from jinja2 import DictLoader

from tests.browser.looking import findings, misfits, small_targets, text_size
from tests.browser.site import BrowserHost, Site, Visitor
from tests.host import totp

pytestmark = pytest.mark.browser

POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'"
)
# Styles as hosts have them: element selectors that would reach into our card.
STYLE = """
  body { margin: 0; font: 15px/1.2 Georgia, serif; color: #203040; background: #fdf6e3 }
  nav, footer { padding: 1rem; background: #203040; color: #fff }
  nav a { color: #fff; display: inline-block; padding: 0.5rem }
  h1 { font-size: 3rem; text-transform: uppercase; border-bottom: 4px solid red }
  h2 { text-transform: uppercase; letter-spacing: 0.2em }
  input, select { width: 60px; height: 18px; padding: 0; border: 3px dotted red; float: right }
  button { background: red; color: yellow; border-radius: 0; width: 70px; height: 20px;
    text-transform: uppercase; white-space: nowrap; overflow: hidden }
  a { color: red; text-decoration: line-through } ul, ol { padding-left: 80px } li { margin: 30px }
  p { margin: 40px; text-align: right } form { background: pink; border: 2px solid; padding: 30px }
  label { float: left; width: 50px; color: red } svg { width: 200px; height: 200px }
  code { color: red; background: yellow; padding: 20px } details { border: 5px solid red }
"""
LAYOUT = (
    """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{% block title %}{% endblock %} - Harbour</title>
<style nonce="{{ g.csp_nonce }}">"""
    + STYLE
    + """</style>{% block head %}{% endblock %}</head>
<body><nav aria-label="Main"><a href="/">Harbour</a></nav><main>
{% for message in get_flashed_messages() %}<div role="status">{{ message }}</div>{% endfor %}
{% block content %}{% endblock %}</main><footer>Harbour</footer></body></html>"""
)


class Harbour(BrowserHost):
    """A host with a layout and a policy of its own."""

    def views(self) -> None:
        """The host's own views."""
        super().views()
        self.app.jinja_loader = DictLoader({"harbour.html": LAYOUT})

        @self.app.before_request
        def new_nonce() -> None:
            g.csp_nonce = secrets.token_urlsafe(16)

        @self.app.after_request
        def policy(response: Any) -> Any:
            policy = POLICY.format(nonce=g.get("csp_nonce", ""))
            response.headers["Content-Security-Policy"] = policy
            return response


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The host, running."""
    folder: Path = tmp_path_factory.mktemp("harbour")
    site = Site(
        Harbour(
            f"sqlite:///{folder / 'host.db'}",
            MFA_BASE_TEMPLATE="harbour.html",
            ENFORCE_ONE_MFA_ENROLLMENT=["otp", "email", "sms"],
        )
    )
    yield site
    site.close()


@pytest.fixture
def come(chromium: Any, harbour: Site) -> Iterator[Any]:
    """`come(holds=())`: a new user with a browser."""
    made: list[Visitor] = []

    def give(**options: Any) -> Visitor:
        made.append(Visitor(chromium, harbour, reduced_motion="reduce", **options))
        return made[-1]

    yield give
    for visitor in made:
        visitor.close()


@pytest.mark.check("H06")
@pytest.mark.parametrize("factor", ["otp", "email", "sms"])
def test_whole_ways_work_under_a_policy_of_nonces(come: Any, factor: str) -> None:
    visitor = come().sign_in().choose(factor)
    page = visitor.page
    if factor == "otp":
        page.click("summary")
        page.wait_for_selector("[data-mfa-copy]")  # shown by our script
        visitor.code(totp(visitor.key()))
    elif factor == "email":
        visitor.send()
        page.wait_for_selector("[data-mfa-wait]:has-text('0:')")
        visitor.code()
    else:
        visitor.number().code()
    assert visitor.path == "/secret"
    visitor.go("/logout").sign_in()
    assert page.title().endswith("- Harbour")
    visitor.otp() if factor == "otp" else visitor.code()
    assert visitor.path == "/secret"
    assert visitor.console == [], "the policy blocked nothing"


def test_the_hosts_styles_do_not_reach_into_the_card(come: Any, axe: str) -> None:
    page = come(holds=("otp", "email", "sms")).sign_in().page
    style = "([one, name]) => getComputedStyle(document.querySelector(one))[name]"
    wanted = {
        (".mfa-heading", "textTransform"): "none",
        (".mfa-heading", "borderBottomWidth"): "0px",
        (".mfa-subheading", "textTransform"): "none",
        (".mfa-button-primary", "backgroundColor"): "rgb(49, 89, 216)",
        (".mfa-button-primary", "textTransform"): "none",
        (".mfa-input", "float"): "none",
        (".mfa-label", "float"): "none",
        (".mfa-label", "height"): "21px",
        (".mfa-row", "textDecorationLine"): "none",
        (".mfa-rows", "paddingLeft"): "0px",
        (".mfa-lead", "textAlign"): "start",
        (".mfa-form", "backgroundColor"): "rgba(0, 0, 0, 0)",
        (".mfa-glyph", "width"): "26px",
    }
    found = {key: page.evaluate(style, list(key)) for key in wanted}
    assert found == wanted
    widths = page.evaluate(
        "['.mfa-input', '.mfa-button-primary', '.mfa-row', '.mfa-form']"
        ".map(one => document.querySelector(one).offsetWidth)"
    )
    assert len(set(widths)) == 1, "everything is as wide as the card"
    assert findings(page, axe) == []


def test_our_styles_do_not_reach_out_of_the_card(come: Any) -> None:
    page = come(holds=("otp",)).sign_in().page
    style = "([one, name]) => getComputedStyle(document.querySelector(one))[name]"
    assert page.evaluate(style, ["body", "fontFamily"]) == "Georgia, serif"
    assert page.evaluate(style, ["body", "backgroundColor"]) == "rgb(253, 246, 227)"
    assert page.evaluate(style, ["nav a", "color"]) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_card_fits_a_narrow_screen_in_the_hosts_layout(
    come: Any, axe: str, scheme: str
) -> None:
    visitor = come(color_scheme=scheme)
    page = visitor.sign_in().choose("otp").page
    colour = "getComputedStyle(document.querySelector('.mfa-card')).backgroundColor"
    assert page.evaluate(colour) == "rgb(255, 255, 255)", "light, as the host's page is"
    page.set_viewport_size({"width": 320, "height": 640})
    for percent in (100, 200):
        text_size(page, percent)
        assert misfits(page) == []
        assert small_targets(page) == []
    assert findings(page, axe) == []


def test_a_step_up_leads_back_to_where_the_person_was_going(come: Any) -> None:
    visitor = come(holds=("otp", "email")).sign_in().go("/mfa/challenge/email").send().code()
    visitor.go("/with-otp")
    assert visitor.page.inner_text(".mfa-heading") == "Confirm that it is you"
    visitor.otp()
    assert visitor.path == "/with-otp"
    assert visitor.console == []
