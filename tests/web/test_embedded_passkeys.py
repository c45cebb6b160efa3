"""Passkeys through the embedded API: made, proven, signed in with, left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.authenticator import Passkey, ways
from tests.host import Host
from tests.web.test_embedded import SPA, Frontend, begun

Make = Callable[..., Host]

ON = {
    "EMBEDDED_AUTH_ORIGINS": [SPA],
    "ALLOW_PASSKEY_ENROLLMENT": True,
    "MFA_ORIGINS": ["http://localhost", SPA],
}


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(**ON)


@pytest.fixture
def ada(host: Host) -> int:
    user = host.user()
    host.enroll(user, "otp")
    return user


def prompted(host: Host, user: int) -> Frontend:
    """A frontend that is offered a passkey after a sign-in."""
    front = begun(host)
    front.post("/otp/verify", code=host.otp(user))
    assert front.step == {"type": "passkey_prompt"}
    return front


def made(host: Host, user: int) -> Passkey:
    """A passkey that was made through the API, at our own origin."""
    front = prompted(host, user)
    options = front.post("/passkey-enrollment/options").json["options"]
    passkey = Passkey()
    response = front.post("/passkey-enrollment", credential=passkey.create(options))
    assert response.status_code == 200, response.get_data(as_text=True)
    assert response.json["status"] == "complete"
    return passkey


@pytest.mark.reference(281, 285)
def test_a_passkey_is_made_where_it_is_offered(host: Host, ada: int) -> None:
    with host.clock() as clock:
        made(host, ada)
        (row,) = host.rows("mfa_passkey")
        assert row["user_key"] == str(ada)
        clock.tick(60)
        again = begun(host)
        again.post("/otp/verify", code=host.otp(ada))
        assert again.step == {"type": "done"}, "not offered again"


@pytest.mark.reference(293, 294)
@pytest.mark.parametrize("never_again", [False, True])
def test_the_offer_is_left_for_now_or_for_good(host: Host, ada: int, never_again: bool) -> None:
    with host.clock() as clock:
        front = prompted(host, ada)
        front.post("/passkey-enrollment/skip", dont_ask_again=never_again)
        assert front.step == {"type": "done"}
        assert front.post("/passkey-enrollment/skip").status_code == 409
        clock.tick(60)
        again = begun(host)
        again.post("/otp/verify", code=host.otp(ada))
        assert again.step["type"] == ("done" if never_again else "passkey_prompt")


@pytest.mark.reference(297, 299)
def test_a_passkey_signs_in_without_password_and_more(host: Host, ada: int) -> None:
    with host.clock() as clock:
        passkey = made(host, ada)
        clock.tick(60)
        front = Frontend(host)
        front.start()
        options = front.post("/passkey-sign-in/options").json["options"]
        assert "allowCredentials" not in options or options["allowCredentials"] == []
        response = front.post("/passkey-sign-in", credential=passkey.get(options))
        assert response.json["status"] == "complete"
        assert front.post("/complete").status_code == 200
        assert front.client.get("/secret").text == "secret of ada@example.org"


@pytest.mark.check("W20", "W21")
@pytest.mark.reference(286, 290, 292, 300)
def test_an_assertion_works_once_and_in_its_own_session_only(host: Host, ada: int) -> None:
    with host.clock() as clock:
        passkey = made(host, ada)
        clock.tick(60)
        front, other = Frontend(host), Frontend(host)
        front.start()
        other.start()
        options = front.post("/passkey-sign-in/options").json["options"]
        other.post("/passkey-sign-in/options")
        credential = passkey.get(options)
        refused = other.post("/passkey-sign-in", credential=credential)
        assert refused.status_code == 401
        assert refused.json["code"] == "invalid_passkey"
        assert front.post("/passkey-sign-in", credential=credential).status_code == 200
        again = Frontend(host)
        again.start()
        assert again.post("/passkey-sign-in", credential=credential).status_code == 401


@pytest.mark.check("W25")
def test_without_user_verification_it_does_not_replace_the_password(host: Host, ada: int) -> None:
    with host.clock() as clock:
        passkey = made(host, ada)
        clock.tick(60)
        front = Frontend(host)
        front.start()
        options = front.post("/passkey-sign-in/options").json["options"]
        credential = passkey.get(options, ways(flags=0x01))
        assert front.post("/passkey-sign-in", credential=credential).status_code == 401


def test_a_passkey_is_the_proof_after_a_password(host: Host, ada: int) -> None:
    with host.clock() as clock:
        passkey = made(host, ada)
        clock.tick(60)
        front = begun(host)
        assert "passkey" in [*front.step["factors"], *front.step["alternatives"]]
        options = front.post("/passkey/options").json["options"]
        done = front.post("/passkey/verify", credential=passkey.get(options)).json
        assert done["status"] == "complete"


@pytest.mark.check("W10")
@pytest.mark.reference(289, 296, 298, 301)
@pytest.mark.parametrize("credential", [{}, {"id": 1}, {"id": "x", "response": []}, {"type": None}])
def test_a_malformed_credential_is_4xx(host: Host, ada: int, credential: Any) -> None:
    front = Frontend(host)
    front.start()
    front.post("/passkey-sign-in/options")
    response = front.call("POST", front.path + "/passkey-sign-in", {"credential": credential})
    assert response.status_code in (400, 401)
    assert host.rows("mfa_passkey") == []


@pytest.mark.reference(282, 283)
def test_no_passkey_can_be_made_where_the_setting_is_off(make_host: Make) -> None:
    host = make_host(EMBEDDED_AUTH_ORIGINS=[SPA])
    user = host.user()
    host.enroll(user, "otp")
    front = begun(host)
    front.post("/otp/verify", code=host.otp(user))
    assert front.step == {"type": "done"}
    assert front.post("/passkey-enrollment/options").status_code == 404
    assert front.post("/passkey-enrollment/skip").status_code == 409


@pytest.mark.reference(288, 308)
def test_nothing_is_made_before_the_gate_is_satisfied(host: Host, ada: int) -> None:
    front = begun(host)
    assert front.post("/passkey-enrollment/options").status_code in (403, 409)
    assert front.post("/recovery-codes").status_code == 409
    assert front.post("/complete").status_code == 409
