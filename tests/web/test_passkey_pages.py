"""Passkeys and the pages around them: the host's templates, origins, what is loaded when."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from flask import g, render_template_string, request

from flask_melody_mfa.core.errors import ConfigError
from flask_melody_mfa.core.settings import Settings
from tests.authenticator import Passkey, ways
from tests.host import KEY, Host
from tests.passkeys import OPTIONS, PROMPT, VERIFY, Holder, holder

Make = Callable[..., Host]

ON = {"ALLOW_PASSKEY_ENROLLMENT": True, "ENFORCE_ONE_MFA_ENROLLMENT": []}

LOGIN = """{% from "mfa/macros.html" import passkey_button, passkey_autofill %}
<form><input name="login" autocomplete="username"></form>
{{ passkey_button(class="mine", next=wanted) }}{{ passkey_autofill(field="[name=login]") }}"""


def with_macros(host: Host) -> Host:
    """The host's own login page, with our macros in its own template."""

    @host.app.route("/enter")
    def enter() -> str:
        g.csp_nonce = "n0nce"
        return render_template_string(LOGIN, wanted=request.args.get("wanted", ""))

    return host


def configs(text: str) -> list[dict[str, Any]]:
    """The settings that the script gets."""
    found = re.findall(r'data-mfa-config="([^"]*)"', text)
    return [json.loads(html.unescape(one)) for one in found]


# In a host's template


def test_the_macros_work_in_a_hosts_template_without_context(make_host: Make) -> None:
    person = Holder(with_macros(make_host(**ON)))
    page = person.get("/enter?next=/secret").text
    assert '<button type="button" class="mine" data-mfa-start hidden>' in page
    assert page.count('<script type="module" src="/mfa/static/passkey.js" nonce="n0nce">') == 2
    button, autofill = configs(page)
    assert button["options"] == "/mfa/passkey/options"
    assert button["finish"] == "/mfa/passkey/verify?next=/secret"
    assert button["rpId"] == "localhost"
    assert autofill["field"] == "[name=login]"
    assert set(button["texts"]) >= {"cancelled", "timed_out", "unsupported", "already"}
    assert "<script>" not in page and "onclick" not in page


@pytest.mark.check("H04")
def test_the_macros_lead_nowhere_else(make_host: Make) -> None:
    person = Holder(with_macros(make_host(**ON)))
    for wanted in ("https://evil.test", "//evil.test", "/\\evil.test"):
        button, _ = configs(person.get(f"/enter?wanted={wanted}").text)
        assert button["finish"] == "/mfa/passkey/verify"
    button, _ = configs(person.get("/enter?wanted=/club").text)
    assert button["finish"] == "/mfa/passkey/verify?next=/club"


def test_without_a_relying_party_the_macros_say_nothing(make_host: Make) -> None:
    page = Holder(with_macros(make_host(MFA_BASE_URL=None))).get("/enter").text
    assert "data-mfa" not in page and "script" not in page


@pytest.mark.check("H01")
def test_every_post_carries_a_token(make_host: Make) -> None:
    host = with_macros(make_host(**ON, WTF_CSRF_ENABLED=True))
    host.user()
    person = Holder(host)
    token = configs(person.get("/enter").text)[0]["csrf"]
    for path in (OPTIONS, VERIFY, "/mfa/passkey/known", PROMPT, f"{PROMPT}/options"):
        answer = person.call(path)
        assert (answer.status_code, answer.get_json()["code"]) == (400, "csrf_failed"), path
        assert person.call(path, **{"X-CSRFToken": "wrong"}).status_code == 400
    assert person.call(OPTIONS, **{"X-CSRFToken": token}).status_code == 200
    assert len(host.rows("mfa_ceremony")) == 1
    other = Holder(host)
    assert other.call(OPTIONS, **{"X-CSRFToken": token}).status_code == 400


@pytest.mark.check("H06", "H07")
def test_our_own_pages_need_no_inline_script(make_host: Make) -> None:
    host = make_host(**ON)
    host.user()
    person = Holder(host)
    sign_in = person.get("/mfa/passkey/sign-in")
    person.sign_in()
    for page in (sign_in, person.follow()):
        assert page.status_code == 200
        policy = page.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy and "unsafe" not in policy
        assert page.headers["Cache-Control"] == "no-store"
        scripts = re.findall(r"<script[^>]*>(.*?)</script>", page.text, re.S)
        assert scripts and not any(scripts), "no script stands in the page itself"
        assert "<noscript>" in page.text
    assert person.call(f"{PROMPT}/options").headers["Cache-Control"] == "no-store"


# Relying party and origins


@pytest.mark.check("O12")
def test_the_relying_party_never_comes_from_the_host_header(make_host: Make) -> None:
    host = make_host(**ON, MFA_BASE_URL="https://shop.example")
    person = Holder(host)
    answer = person.call(OPTIONS, Host="evil.test")
    assert answer.get_json()["rpId"] == "shop.example"


@pytest.mark.check("W03")
def test_several_origins_are_matched_exactly(make_host: Make) -> None:
    host = make_host(
        **ON,
        MFA_BASE_URL="https://shop.example",
        MFA_ORIGINS=["https://shop.example", "https://www.shop.example:8443"],
    )
    host.user()
    person = Holder(host)
    person.sign_in()
    passkey = Passkey()
    assert (
        person.make(passkey, ways(rp_id="shop.example", origin="http://localhost")).status_code
        == 401
    )
    made = person.make(passkey, ways(rp_id="shop.example", origin="https://www.shop.example:8443"))
    assert made.status_code == 200
    for origin, status in (
        ("https://shop.example", 200),
        ("https://www.shop.example:8443", 200),
        ("https://www.shop.example", 401),
        ("https://shop.example:443", 401),
    ):
        answer = Holder(host).enter(passkey, ways(rp_id="shop.example", origin=origin))
        assert answer.status_code == status, origin


def test_a_client_has_origins_of_its_own(make_host: Make) -> None:
    host = make_host(
        **ON, MFA_CLIENTS={"kiosk": {"origins": ["https://kiosk.example"]}, "desk": {}}
    )
    _, passkey = holder(host)
    wanted: list[str | None] = [None]
    host.mfa.client_for(lambda _request, _account: wanted[0])
    for client, status in ((None, 401), ("desk", 401), ("kiosk", 200)):
        wanted[0] = client
        answer = Holder(host).enter(passkey, ways(origin="https://kiosk.example"))
        assert answer.status_code == status, client
    wanted[0] = "kiosk"
    assert Holder(host).enter(passkey).status_code == 200, "the app's own pages serve it, too"


def test_related_origins_are_told_where_there_are_some(make_host: Make) -> None:
    host = make_host(
        **ON,
        MFA_BASE_URL="https://shop.example",
        MFA_ORIGINS=["https://shop.example", "https://www.shop.example", "https://shop.test"],
        MFA_CLIENTS={"kiosk": {"origins": ["https://kiosk.example"]}},
    )
    answer = host.app.test_client().get("/.well-known/webauthn")
    assert answer.mimetype == "application/json"
    assert answer.get_json() == {"origins": ["https://shop.test", "https://kiosk.example"]}
    assert make_host(**ON).app.test_client().get("/.well-known/webauthn").status_code == 404


def test_a_relying_party_that_no_origin_belongs_to_is_an_error() -> None:
    with pytest.raises(ConfigError, match="MFA_RP_ID"):
        Settings.load(
            {
                "SECRET_KEY": KEY,
                "MFA_BASE_URL": "https://shop.example",
                "MFA_RP_ID": "other.example",
                "MFA_ORIGINS": ["https://shop.example", "https://shop.test"],
            }
        )


# What is loaded when


def test_what_verifies_passkeys_is_loaded_with_the_first_of_them() -> None:
    program = (
        "import sys\n"
        "from tests.host import Host, Person\n"
        "host = Host(ALLOW_PASSKEY_ENROLLMENT=True)\n"
        "user = host.user()\n"
        "person = Person(host)\n"
        "person.sign_in()\n"
        "person.follow()\n"
        "assert 'webauthn' not in sys.modules, 'loaded before it is needed'\n"
        "host.app.test_client().post('/mfa/passkey/options', json={})\n"
        "assert 'webauthn' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
