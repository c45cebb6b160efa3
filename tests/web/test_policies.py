"""Policies: who may open them, what they do, and how the user goes back to the application."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from flask_melody_mfa.flows.policies import PolicyResult
from tests.host import BROWSER, PHONE, Host, Person, totp

Make = Callable[..., Host]
BACK = "https://letterbox.example/back"
CLIENTS = {
    "letterbox": {"name": "Letterbox", "redirect_uris": [BACK, "com.example.letterbox:/back?a=1"]},
    "shop": {"redirect_uris": ["https://shop.example/"], "BLOCKED_POLICIES": ["reset_mfa"]},
    "vault": {"redirect_uris": ["https://vault.example/"], "OTP_MFA_IS_REQUIRED": True},
}
RESET, CODES, DEVICES = "reset_mfa", "manage_recovery_code", "manage_device"


def link(name: str = RESET, **asked: str) -> str:
    """The address of a policy's page, for the client `letterbox` unless another is named."""
    given = {"client_id": "letterbox", "redirect_uri": BACK, "state": "s-1", **asked}
    return f"/mfa/policy/{name}?{urlencode({k: v for k, v in given.items() if v})}"


def signed_in(host: Host, user: int, email: str = "ada@example.org") -> Person:
    """A person who has just proven the authenticator."""
    person = Person(host)
    person.sign_in(email)
    person.follow()
    person.code(host.otp(user))
    assert person.signed_in()
    return person


def submit(person: Person, path: str, **fields: Any) -> None:
    """Send a form of the policy's page that is shown."""
    ticket = re.search(r'name="visit" value="(\w+)"', person.text)
    assert ticket is not None
    person.post(path, {"visit": ticket.group(1), **fields})


def came_back(person: Person) -> dict[str, str]:
    """What the application gets."""
    assert person.page is not None
    assert person.page.status_code in (302, 303)
    query = urlsplit(person.page.headers["Location"]).query
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}


def read(host: Host, token: str, **options: Any) -> PolicyResult | None:
    """What the application learns of a token."""
    with host.app.app_context():
        return host.mfa.read_policy_result(token, **options)


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(
        MFA_CLIENTS=CLIENTS, ENABLE_RECOVERY_CODE=True, ENABLE_MFA_REMEMBER_DEVICE=True
    )


@pytest.fixture
def plain(make_host: Make) -> Host:
    """A host that offers nothing after a sign-in."""
    return make_host(MFA_CLIENTS=CLIENTS)


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator."""
    user = host.user(phone=PHONE)
    host.enroll(user, "otp")
    return user


# Who is let in


@pytest.mark.reference(199)
def test_a_stranger_signs_in_first_and_arrives_with_everything_asked(plain: Host) -> None:
    host, ada = plain, plain.user()
    host.enroll(ada, "otp")
    person = Person(host)
    person.get(link(state="ä b&c"))
    assert person.at == "/login"
    assert person.page is not None
    person.sign_in(next_url=person.page.headers["Location"].partition("next=")[2])
    person.follow()
    assert person.at == "/mfa/challenge/otp"
    person.code(host.otp(ada))
    person.follow()
    assert person.at == "/mfa/policy/reset_mfa"
    submit(person, link(state="ä b&c"), cancel="1")
    assert came_back(person)["state"] == "ä b&c"


@pytest.mark.reference(197, 198, 200, 201, 202)
@pytest.mark.parametrize("name", [RESET, CODES, DEVICES])
def test_a_signed_in_user_with_a_fresh_proof_arrives_at_once(
    host: Host, ada: int, name: str
) -> None:
    person = signed_in(host, ada)
    assert person.get(link(name)).status_code == 200


@pytest.mark.check("S08", "S06")
@pytest.mark.parametrize("name", [RESET, CODES, DEVICES])
def test_an_old_proof_is_asked_for_anew(host: Host, ada: int, name: str) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        clock.tick(301)
        person.get(link(name), follow=True)
        assert person.at == "/mfa/challenge/otp"
        person.code(host.otp(ada))
        assert person.at == f"/mfa/policy/{name}"
        assert person.follow().status_code == 200


@pytest.mark.check("S08", "S07")
def test_a_weaker_proof_opens_no_policy(host: Host, ada: int) -> None:
    host.enroll(ada, "email")
    person = Person(host)
    person.sign_in()
    person.get("/mfa/challenge/email")
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code())
    assert person.signed_in()
    person.get(link(), follow=True)
    assert person.at == "/mfa/challenge/otp"
    assert len(host.rows("mfa_credential")) == 2


@pytest.mark.check("D06", "S07", "S08")
@pytest.mark.parametrize("name", [RESET, CODES, DEVICES])
def test_a_remembered_device_opens_no_policy(host: Host, ada: int, name: str) -> None:
    with host.clock() as clock:
        person = Person(host)
        person.sign_in()
        person.follow()
        person.code(host.otp(ada), remember_device="1")
        person.get("/logout")
        clock.tick(60)
        person.sign_in()
        assert person.signed_in()
        person.get(link(name), follow=True)
        assert person.at == "/mfa/challenge/otp"


@pytest.mark.check("E05")
def test_a_pending_sign_in_resets_nothing(host: Host, ada: int) -> None:
    person = Person(host)
    person.sign_in()
    person.post(link(), {"factor": "all", "visit": "x"})
    assert person.at == "/mfa/challenge"
    assert len(host.rows("mfa_credential")) == 1


# Recovery codes, for a reset alone


def recovery_codes(host: Host, user: int) -> tuple[str, ...]:
    """A new set of a user's recovery codes."""
    from flask_melody_mfa.flows import recovery
    from flask_melody_mfa.web.state import context, state

    with host.app.app_context():
        return recovery.make(context(), state().describe(host.get(user)))


def spend(person: Person, code: str) -> None:
    """Give a recovery code."""
    person.post("/mfa/challenge/recovery-code", {"code": code})


@pytest.mark.check("R12")
def test_to_reset_a_recovery_code_will_do(host: Host, ada: int) -> None:
    codes = recovery_codes(host, ada)
    with host.clock() as clock:
        person = signed_in(host, ada)
        clock.tick(400)
        person.get(link(), follow=True)
        assert "/mfa/challenge/recovery-code" in person.text
        spend(person, codes[0])
        person.follow()
        assert person.at == "/mfa/policy/reset_mfa"
        assert "Reset your sign-in steps" in person.text
        # It opened that page, and nothing else.
        for path in ("/fresh", link(CODES), f"/mfa/account/factors/{credential(host)}/remove"):
            person.get(path, follow=True)
            assert person.at == "/mfa/challenge/otp", path


def credential(host: Host) -> str:
    return str(host.rows("mfa_credential")[0]["id"])


@pytest.mark.check("R12", "S08")
@pytest.mark.parametrize("name", [CODES, DEVICES])
def test_elsewhere_a_recovery_code_will_not_do(host: Host, ada: int, name: str) -> None:
    codes = recovery_codes(host, ada)
    with host.clock() as clock:
        person = signed_in(host, ada)
        clock.tick(400)
        person.get(link(name), follow=True)
        assert person.at == "/mfa/challenge/otp"
        assert "/mfa/challenge/recovery-code" not in person.text
        spend(person, codes[0])
        assert sum(row["used_at"] is not None for row in host.rows("mfa_recovery_code")) == 0


@pytest.mark.check("R12", "S07")
def test_a_recovery_session_resets_with_a_further_code(host: Host, ada: int) -> None:
    codes = recovery_codes(host, ada)
    person = Person(host)
    person.sign_in()
    person.follow()
    spend(person, codes[0])
    assert person.signed_in()
    assert person.get(link(CODES)).status_code == 403
    person.get(link(), follow=True)
    assert person.at == "/mfa/challenge/recovery-code"
    assert "/mfa/challenge/otp" not in person.text
    spend(person, codes[0])
    assert person.page is not None
    assert person.page.status_code == 401
    spend(person, codes[1])
    assert person.at == "/mfa/policy/reset_mfa"
    person.follow()
    submit(person, link(), factor="otp")
    person.follow()
    assert person.at in ("/mfa/enroll", "/mfa/enroll/otp")


def test_a_recovery_code_opens_one_visit_for_a_while(host: Host, ada: int) -> None:
    codes = recovery_codes(host, ada)
    with host.clock() as clock:
        person = signed_in(host, ada)
        clock.tick(400)
        person.get(link(), follow=True)
        spend(person, codes[0])
        assert person.get(link()).status_code == 200
        assert person.get(link(state="other")).status_code == 303
        spend(person, codes[1])
        assert person.get(link(state="other")).status_code == 200
        clock.tick(301)
        assert person.get(link(state="other")).status_code == 303


# What a reset does


@pytest.mark.reference(132, 199, 200)
@pytest.mark.check("N04", "N01")
def test_a_reset_factor_is_set_up_at_once_and_the_user_comes_back(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        old = credential(host)
        person.get(link())
        submit(person, link(), factor="otp")
        person.follow()
        person.get("/mfa/enroll/otp")
        secret = person.secret()
        person.code(totp(secret, clock))
        # The old recovery codes went with the old factor: new ones are offered on the way.
        assert person.at == "/mfa/enroll/recovery-codes"
        skip = re.search(r'href="(/mfa/policy/[^"]+)"', person.follow().text)
        assert skip is not None
        person.get(html.unescape(skip.group(1)))
        got = came_back(person)
        assert (got["state"], got["result"]) == ("s-1", "done")
        assert credential(host) != old
        assert person.signed_in()
        assert host.events(ada).count("factor_reset") == 1
        assert "were reset" in next(m for m in host.mails() if "reset" in m.subject).subject
        result = read(host, got["result_token"])
    assert result == PolicyResult(
        user_key=str(ada),
        client="letterbox",
        policy=RESET,
        state="s-1",
        result="done",
        at=clock.now,
    )


@pytest.mark.reference(133)
def test_a_reset_number_is_forgotten(host: Host, ada: int) -> None:
    host.enroll(ada, "sms")
    person = signed_in(host, ada)
    person.get(link())
    submit(person, link(), factor="sms")
    assert came_back(person)["result"] == "done"
    assert [row["kind"] for row in host.rows("mfa_credential")] == ["otp"]
    assert person.signed_in()


@pytest.mark.reference(134)
def test_a_reset_email_factor_is_gone_and_its_address_is_told(host: Host, ada: int) -> None:
    host.enroll(ada, "email", destination="old@example.org")
    person = signed_in(host, ada)
    person.get(link())
    submit(person, link(), factor="email")
    assert [row["kind"] for row in host.rows("mfa_credential")] == ["otp"]
    assert {m.to for m in host.mails() if "reset" in m.subject} == {
        "old@example.org",
        "ada@example.org",
    }


def test_a_reset_that_is_left_unfinished_leaves_the_session_unsatisfied(
    host: Host, ada: int
) -> None:
    person = signed_in(host, ada)
    person.get(link())
    submit(person, link(), factor="otp")
    assert not person.signed_in()
    assert person.get("/mfa/account").status_code in (302, 303)
    person.get("/secret", follow=True)
    assert person.at == "/mfa/enroll"


def test_a_set_up_is_asked_for_before_what_else_is_held(make_host: Make) -> None:
    """On the proof that opened the page: no other is asked for in between."""
    host = make_host(OTP_MFA_IS_REQUIRED=True)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    with host.clock() as clock:
        person = signed_in(host, ada)
        path = link(client_id="", redirect_uri="/back")
        person.get(path)
        submit(person, path, factor="otp")
        person.follow()
        assert person.at == "/mfa/enroll/otp"
        person.code(totp(person.secret(), clock))
        person.get(path)
        assert person.page is not None
        assert person.page.headers["Location"].startswith("/back?state=s-1&result=done&")


@pytest.mark.check("S04")
def test_a_reset_factor_is_worth_nothing_in_other_sessions(host: Host, ada: int) -> None:
    host.enroll(ada, "sms")
    with host.clock() as clock:
        other = signed_in(host, ada)
        clock.tick(60)
        person = signed_in(host, ada)
        person.get(link())
        submit(person, link(), factor="otp")
        assert not other.signed_in()
        assert [row["ended_at"] for row in host.rows("mfa_session")].count(None) >= 1


@pytest.mark.check("N04", "D04", "S04")
def test_a_reset_of_everything_ends_devices_sessions_and_sign_ins(host: Host, ada: int) -> None:
    host.enroll(ada, "sms")
    codes = recovery_codes(host, ada)
    with host.clock() as clock:
        other = Person(host)
        other.sign_in()
        other.follow()
        other.code(host.otp(ada), remember_device="1")
        clock.tick(60)
        person = signed_in(host, ada)
        pending = Person(host)
        pending.sign_in()
        person.get(link())
        submit(person, link(), factor="all")
        assert not host.rows("mfa_credential")
        assert not other.signed_in()
        assert all(row["revoked_at"] for row in host.rows("mfa_device"))
        pending.get("/mfa/challenge")
        assert pending.at == "/login"
        # Without a tick the codes stay; but with nothing held, they recover nothing.
        assert codes
        assert not host.rows("mfa_recovery_code")
        live = [row for row in host.rows("mfa_session") if row["ended_at"] is None]
        assert len(live) == 1
        person.get("/mfa/challenge", follow=True)
        assert person.at == "/mfa/enroll"


@pytest.mark.parametrize("ticked", [False, True])
def test_recovery_codes_are_reset_only_where_they_are_ticked(
    host: Host, ada: int, ticked: bool
) -> None:
    host.enroll(ada, "sms")
    recovery_codes(host, ada)
    person = signed_in(host, ada)
    person.get(link())
    submit(person, link(), factor="sms", **({"recovery_codes": "1"} if ticked else {}))
    assert len(host.rows("mfa_recovery_code")) == (0 if ticked else 10)


@pytest.mark.reference(135, 136, 137)
def test_nothing_chosen_is_nothing_reset(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    wrong: tuple[dict[str, Any], ...] = (
        {},
        {"factor": "sms"},
        {"factor": "passkey"},
        {"factor": ["otp", "x"]},
        {"passkeys": "1"},
    )
    for fields in wrong:
        person.get(link())
        submit(person, link(), **fields)
        assert person.page is not None
        assert person.page.status_code == 400
        assert "Choose what to reset." in person.text
    assert len(host.rows("mfa_credential")) == 1


def test_where_nothing_is_demanded_a_reset_ends_at_once(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[], MFA_CLIENTS=CLIENTS)
    ada = host.user()
    host.enroll(ada, "otp")
    person = signed_in(host, ada)
    person.get(link())
    submit(person, link(), factor="all")
    assert came_back(person)["result"] == "done"
    assert person.signed_in()


def test_a_clients_gate_says_what_is_set_up_after_its_reset(host: Host, ada: int) -> None:
    host.enroll(ada, "sms")
    with host.clock() as clock:
        person = signed_in(host, ada)
        path = link(client_id="vault", redirect_uri="https://vault.example/")
        person.get(path)
        submit(person, path, factor="otp")
        person.follow()
        assert person.at == "/mfa/enroll/otp"
        person.code(totp(person.secret(), clock))
        person.get(path)
        assert came_back(person)["result"] == "done"


def test_who_holds_nothing_may_look_and_go(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[], MFA_CLIENTS=CLIENTS)
    host.user()
    with host.clock() as clock:
        person = Person(host)
        person.sign_in()
        clock.tick(400)
        person.get(link())
        assert person.at == "/mfa/challenge/password"
        person.follow()
        person.post(f"/mfa/challenge/password?{urlencode({'next': link()})}", {"password": "pw"})
        person.follow()
        assert "nothing to reset" in person.text
        submit(person, link(), cancel="1")
        assert came_back(person)["result"] == "cancelled"


# The other policies


@pytest.mark.reference(155, 198)
def test_new_codes_are_shown_once_and_the_user_comes_back(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    person.get(link(CODES))
    assert not host.rows("mfa_recovery_code")
    submit(person, link(CODES), make="1")
    codes = re.findall(r"<code><span>([^<]+)</span><span>([^<]+)</span>", person.text)
    assert len(codes) == 10
    submit(person, link(CODES), saved="1")
    assert came_back(person)["result"] == "done"
    assert "recovery_codes_made" in host.events(ada)
    page = person.get(link(CODES))
    assert "".join(codes[0]) not in page.text


def test_codes_that_were_made_are_told_of_when_the_page_is_opened_again(
    host: Host, ada: int
) -> None:
    person = signed_in(host, ada)
    person.get(link(CODES))
    submit(person, link(CODES), make="1")
    person.get(link(CODES))
    assert "You have made new codes" in person.text
    submit(person, link(CODES), done="1")
    assert came_back(person)["result"] == "done"


@pytest.mark.reference(156, 157, 158, 159)
def test_no_codes_were_made_is_no_success(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    person.get(link(CODES))
    submit(person, link(CODES), saved="1")
    assert came_back(person)["result"] == "cancelled"
    assert not host.rows("mfa_recovery_code")


def test_devices_are_forgotten_and_the_page_comes_back(host: Host, ada: int) -> None:
    person = Person(host)
    person.sign_in()
    person.follow()
    person.code(host.otp(ada), remember_device="1")
    person.get(link(DEVICES))
    assert "This device" in person.text
    device = host.rows("mfa_device")[0]["id"]
    person.post(f"/mfa/devices/{device}/revoke", {"next": link(DEVICES)})
    assert person.at == "/mfa/policy/manage_device"
    person.get(link(DEVICES))
    assert "No browser is remembered" in person.text
    submit(person, link(DEVICES), done="1")
    assert came_back(person)["result"] == "done"


# The way back


def test_cancelled_is_told(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    person.get(link())
    submit(person, link(), cancel="1")
    assert person.page is not None
    assert person.page.headers["Location"].startswith(f"{BACK}?state=s-1&result=cancelled&")
    result = read(host, came_back(person)["result_token"])
    assert result is not None
    assert result.result == "cancelled"
    assert len(host.rows("mfa_credential")) == 1


def test_who_gives_up_the_step_up_goes_back_cancelled(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        clock.tick(400)
        person.get(link(), follow=True)
        assert person.at == "/mfa/challenge/otp"
        person.post("/mfa/challenge/cancel", {"next": link()})
        assert came_back(person)["result"] == "cancelled"
        assert person.signed_in()


def test_an_address_keeps_its_own_query(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    path = link(redirect_uri="com.example.letterbox:/back?a=1")
    person.get(path)
    submit(person, path, cancel="1")
    assert person.page is not None
    target = person.page.headers["Location"]
    assert target.startswith("com.example.letterbox:/back?a=1&state=s-1&result=cancelled&")


def test_what_the_path_says_of_the_result_gives_way(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    path = link(client_id="", redirect_uri="/back?result=done&x=1&re%73ult_token=t")
    person.get(path)
    submit(person, path, cancel="1")
    assert person.page is not None
    query = parse_qs(urlsplit(person.page.headers["Location"]).query)
    assert query["result"] == ["cancelled"]
    assert len(query["result_token"]) == 1
    assert query["x"] == ["1"]


HOSTILE = (
    "",
    BACK + "/",
    BACK + "?x=1",
    BACK + "#",
    BACK.upper(),
    "https://letterbox.example/back/../evil",
    "https://letterbox.example@evil.example/back",
    "https://letterbox.example.evil.example/back",
    "http://letterbox.example/back",
    "//letterbox.example/back",
    "/back",
    "https://shop.example/",
    "javascript:alert(1)",
    "com.example.letterbox:/back",
    BACK + "\r\nSet-Cookie: a=b",
    BACK + "%00",
    " " + BACK,
)


@pytest.mark.check("H04")
def test_an_address_that_is_not_registered_gets_400_and_no_redirect(host: Host, ada: int) -> None:
    stranger, person = Person(host), signed_in(host, ada)
    for target in HOSTILE:
        asked = urlencode({"client_id": "letterbox", "redirect_uri": target})
        for one in (stranger, person):
            page = one.get(f"/mfa/policy/reset_mfa?{asked}")
            assert (page.status_code, "Location" in page.headers) == (400, False), target


@pytest.mark.check("H04")
def test_without_a_client_only_a_path_will_do(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    for target in ("", "//e.example", "https://e.example/", "/\\e.example", "x", "/a\tb", BACK):
        page = person.get(f"/mfa/policy/reset_mfa?{urlencode({'redirect_uri': target})}")
        assert (page.status_code, "Location" in page.headers) == (400, False), target


@pytest.mark.check("H04")
def test_an_argument_that_comes_twice_is_refused(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    for doubled in ("redirect_uri", "client_id", "state"):
        assert person.get(f"{link()}&{doubled}=x").status_code == 400, doubled


def test_an_unknown_client_is_refused(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    page = person.get(link(client_id="nobody"))
    assert page.status_code == 400
    assert "Location" not in page.headers


def test_the_state_has_its_bounds(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    for state, status in (("x" * 512, 200), ("x" * 513, 400), ("\x00", 400)):
        assert person.get(link(state=state)).status_code == status


def test_the_longest_state_survives_a_sign_in(plain: Host) -> None:
    host, ada = plain, plain.user()
    host.enroll(ada, "otp")
    state = "%&=" * 170
    person = Person(host)
    person.get(link(state=state))
    assert person.page is not None
    person.sign_in(next_url=person.page.headers["Location"].partition("next=")[2])
    person.follow()
    person.code(host.otp(ada))
    person.follow()
    submit(person, link(state=state), cancel="1")
    assert came_back(person)["state"] == state


@pytest.mark.reference(140, 141, 142)
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("reset", {}),
        ("../account", {}),
        (RESET, {"BLOCKED_POLICIES": ["reset_mfa"]}),
        (CODES, {"ENABLE_RECOVERY_CODE": False}),
        (CODES, {"BLOCKED_POLICIES": ["manage_recovery_code"]}),
        (DEVICES, {"ENABLE_MFA_REMEMBER_DEVICE": False}),
        ("manage_passkey", {"ALLOW_PASSKEY_ENROLLMENT": False}),
    ],
)
def test_a_policy_that_is_not_there_answers_404(
    make_host: Make, name: str, config: dict[str, Any]
) -> None:
    on = {"ENABLE_RECOVERY_CODE": True, "ENABLE_MFA_REMEMBER_DEVICE": True}
    host = make_host(**{**on, "MFA_CLIENTS": CLIENTS, **config})
    ada = host.user()
    host.enroll(ada, "otp")
    person = signed_in(host, ada)
    assert person.get(link(name)).status_code == 404


def test_a_client_may_block_a_policy(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    shop = {"client_id": "shop", "redirect_uri": "https://shop.example/"}
    assert person.get(link(**shop)).status_code == 404
    assert person.get(link(CODES, **shop)).status_code == 200


def test_the_page_speaks_the_language_that_is_asked_for(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    for asked, language in (("fr", "fr"), ("zh-CN", "zh-Hans"), ("xx", "zh-Hans"), ("en", "en")):
        page = person.get(link(locale=asked))
        assert page.headers["Content-Language"] == language


def test_forms_may_lead_to_the_application_and_nowhere_else(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    page = person.get(link())
    csp = page.headers["Content-Security-Policy"]
    assert "form-action 'self' https://letterbox.example;" in csp
    submit(person, link(), cancel="1")
    csp = person.get("/mfa/account").headers["Content-Security-Policy"]
    assert "form-action 'self';" in csp
    page = person.get(link(redirect_uri="com.example.letterbox:/back?a=1"))
    assert "form-action 'self' com.example.letterbox:;" in page.headers["Content-Security-Policy"]


# Tickets and tokens


@pytest.mark.check("S09")
def test_a_page_of_one_session_is_not_finished_from_another(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        person.get(link())
        ticket = re.search(r'name="visit" value="(\w+)"', person.text)
        assert ticket is not None
        clock.tick(60)
        other = signed_in(host, ada)
        for fields in ({"factor": "all"}, {"cancel": "1"}):
            other.post(link(), {"visit": ticket.group(1), **fields})
            assert other.at == "/mfa/policy/reset_mfa"
        other.follow()
        assert "Nothing was changed" in other.text
        assert len(host.rows("mfa_credential")) == 1


@pytest.mark.check("S09")
def test_a_page_of_one_user_is_not_finished_by_another(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    person = signed_in(host, ada)
    person.get(link())
    ticket = re.search(r'name="visit" value="(\w+)"', person.text)
    assert ticket is not None
    person.get("/logout")
    person.sign_in("bob@example.org")
    person.follow()
    person.code(host.otp(bob))
    person.post(link(), {"visit": ticket.group(1), "factor": "all"})
    assert person.at == "/mfa/policy/reset_mfa"
    assert len(host.rows("mfa_credential")) == 2


@pytest.mark.check("S09")
def test_a_page_is_finished_once_and_in_time(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        person.get(link())
        first = re.search(r'name="visit" value="(\w+)"', person.text)
        assert first is not None
        person.post(link(), {"visit": first.group(1), "cancel": "1"})
        assert came_back(person)["result"] == "cancelled"
        person.post(link(), {"visit": first.group(1), "cancel": "1"})
        assert person.at == "/mfa/policy/reset_mfa"
        person.get(link())
        second = re.search(r'name="visit" value="(\w+)"', person.text)
        assert second is not None
        clock.tick(31 * 60)
        person.post(link(), {"visit": second.group(1), "factor": "otp"})
        assert person.at == "/mfa/policy/reset_mfa"
        assert len(host.rows("mfa_credential")) == 1


@pytest.mark.check("S09")
def test_a_page_is_finished_only_for_what_it_was_opened_for(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    person.get(link())
    ticket = re.search(r'name="visit" value="(\w+)"', person.text)
    assert ticket is not None
    for path in (link(state="other"), link(CODES)):
        person.post(path, {"visit": ticket.group(1), "factor": "all", "make": "1"})
        assert person.page is not None
        assert person.page.status_code == 303
        assert person.page.headers["Location"].startswith("/mfa/policy/")
    assert len(host.rows("mfa_credential")) == 1
    assert not host.rows("mfa_recovery_code")


@pytest.mark.check("S09")
def test_a_program_is_told_that_the_visit_is_over(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    answer = person.client.post(
        link(), data={"visit": "ü", "cancel": "1"}, headers={"Accept": "application/json"}
    )
    assert answer.status_code == 410
    assert answer.get_json()["code"] == "challenge_over"


@pytest.mark.check("S06")
def test_a_proof_that_grew_old_on_the_page_is_asked_for_anew(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        person.get(link())
        clock.tick(301)
        submit(person, link(), factor="otp")
        assert person.at == "/mfa/challenge"
        assert len(host.rows("mfa_credential")) == 1


@pytest.mark.check("S09")
def test_a_result_lives_for_a_while(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        person.get(link())
        submit(person, link(), cancel="1")
        token = came_back(person)["result_token"]
        clock.tick(300)
        assert read(host, token) is not None
        clock.tick(1)
        assert read(host, token) is None
        assert read(host, token, max_age=3600) is not None
        clock.tick(-400)
        assert read(host, token) is None


@pytest.mark.check("S09")
def test_what_was_not_signed_as_a_result_is_none(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    person.get(link())
    submit(person, link(), cancel="1")
    token = came_back(person)["result_token"]
    with host.app.app_context():
        from flask_melody_mfa.flows import not_me
        from flask_melody_mfa.web.state import context

        foreign = not_me.token(context(), str(ada), "e")
    for garbage in ("", "x", token[:-2], token + "x", token.replace(".", "", 1), foreign, "ü" * 9):
        assert read(host, garbage) is None
    assert read(host, token) is not None


def test_a_result_says_whose_and_for_whom_it_is(host: Host, ada: int) -> None:
    """The application compares it with its own session: a token is good for one user and client."""
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    results = []
    for user, email, asked in (
        (ada, "ada@example.org", {}),
        (bob, "bob@example.org", {"client_id": "shop", "redirect_uri": "https://shop.example/"}),
    ):
        person = signed_in(host, user, email)
        path = link(CODES, **asked)
        person.get(path)
        submit(person, path, cancel="1")
        results.append(read(host, came_back(person)["result_token"]))
    assert [(one.user_key, one.client) for one in results if one] == [
        (str(ada), "letterbox"),
        (str(bob), "shop"),
    ]


# What a developer writes


def test_an_app_makes_the_address(host: Host, ada: int) -> None:
    with host.app.test_request_context():
        url = host.mfa.url_for_policy(
            "reset_mfa", redirect_uri=BACK, client_id="letterbox", state="s-1", locale="fr"
        )
    assert urlsplit(url).path == "/mfa/policy/reset_mfa"
    assert parse_qs(urlsplit(url).query) == {
        "redirect_uri": [BACK],
        "client_id": ["letterbox"],
        "state": ["s-1"],
        "locale": ["fr"],
    }
    person = signed_in(host, ada)
    assert person.get(url).status_code == 200
    with host.app.app_context():
        absolute = host.mfa.url_for_policy("manage_device", redirect_uri="/settings")
    assert absolute == "http://localhost/mfa/policy/manage_device?redirect_uri=%2Fsettings"


def test_an_address_that_the_page_would_refuse_is_not_made(host: Host) -> None:
    for wrong in (
        {"name": "reset"},
        {"redirect_uri": "https://evil.example"},
        {"client_id": "nobody"},
        {"state": "x" * 513},
    ):
        given: dict[str, Any] = {"redirect_uri": BACK, "client_id": "letterbox", **wrong}
        name = given.pop("name", "reset_mfa")
        with host.app.test_request_context(), pytest.raises(ValueError, match=next(iter(wrong))):
            host.mfa.url_for_policy(name, **given)


def test_a_program_that_opens_a_policy_gets_a_problem(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    api = {"Accept": "application/json"}
    answer = person.client.get(link(redirect_uri="https://evil.example"), headers=api)
    assert answer.status_code == 400
    assert answer.get_json()["errors"]["redirect_uri"]
    assert Person(host).client.get(link(), headers=api).status_code == 401
    assert person.client.get(link(), headers=BROWSER).status_code == 200
