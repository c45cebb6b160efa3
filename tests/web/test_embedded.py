"""The embedded API: origins, sessions, and every way through a sign-in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from flask_melody_mfa.core import otp
from flask_melody_mfa.web.passwords import account_for
from tests.host import PHONE, Host

Make = Callable[..., Host]

SPA = "https://spa.example.org"
BASE = "/mfa/embedded/v1"
ON = {"EMBEDDED_AUTH_ORIGINS": [SPA]}


class Frontend:
    """A frontend of its own, in one browser; it speaks JSON and keeps no cookies of ours."""

    def __init__(self, host: Host, origin: str | None = SPA, **headers: str) -> None:
        self.host = host
        self.client = host.app.test_client()
        self.headers = {**({"Origin": origin} if origin is not None else {}), **headers}
        self.token = ""
        self.path = ""
        self.last: TestResponse | None = None

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> TestResponse:
        headers = dict(self.headers)
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        headers |= options.pop("headers", {})
        self.last = self.client.open(
            BASE + path, method=method, json=body, headers=headers, **options
        )
        return self.last

    def start(self, **body: Any) -> TestResponse:
        found = self.call("POST", "/sessions", body)
        if found.status_code == 201:
            self.token = found.json["session_token"]
            self.path = f"/sessions/{found.json['session_id']}"
        return found

    def post(self, path: str, **body: Any) -> TestResponse:
        return self.call("POST", self.path + path, body or None)

    def get(self, path: str = "") -> TestResponse:
        return self.call("GET", self.path + path)

    def sign_in(self, password: str = "pw", login: str = "ada@example.org") -> TestResponse:
        return self.post("/sign-in", login=login, password=password)

    @property
    def step(self) -> dict[str, Any]:
        assert self.last is not None
        found: dict[str, Any] = self.last.json["next_step"]
        return found


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(**ON)


@pytest.fixture
def ada(host: Host) -> int:
    user = host.user(phone=PHONE)
    host.enroll(user, "otp", "email")
    return user


def begun(host: Host, **body: Any) -> Frontend:
    """A frontend whose user gave the password."""
    front = Frontend(host)
    front.start(**body)
    front.sign_in()
    return front


# Origins


@pytest.mark.reference(318, 319)
def test_without_any_origin_it_answers_404(make_host: Make) -> None:
    host = make_host()
    assert Frontend(host).start().status_code == 404


@pytest.mark.check("P10")
@pytest.mark.parametrize(
    "origin",
    ["null", "https://spa.example.org.evil.test", "https://evil-spa.example.org",
     "http://spa.example.org", "https://spa.example.org:444", "https://SPA.example.org", "x", ""],
)  # fmt: skip
def test_another_origin_gets_no_session_and_no_permission_to_read(host: Host, origin: str) -> None:
    response = Frontend(host, origin).start()
    assert response.status_code == 403
    assert "Access-Control-Allow-Origin" not in response.headers
    assert "Origin" in response.headers["Vary"]
    assert host.rows("mfa_embedded_session") == []


@pytest.mark.check("P10")
def test_no_origin_works_for_the_same_site_and_for_native_clients_only(make_host: Make) -> None:
    host = make_host(**ON, MFA_CLIENTS={"app": {"allow_native": True}, "shop": {}})
    assert Frontend(host, None).start().status_code == 403
    assert Frontend(host, None).start(client_id="shop").status_code == 403
    assert Frontend(host, None).start(client_id="app").status_code == 201
    own = {"Sec-Fetch-Site": "same-origin"}
    assert Frontend(host, None, **own).start().status_code == 201
    assert Frontend(host, None, **{"Sec-Fetch-Site": "cross-site"}).start().status_code == 403


def test_a_client_has_origins_of_its_own(make_host: Make) -> None:
    host = make_host(MFA_CLIENTS={"shop": {"origins": ["https://shop.example.org"]}, "b": {}})
    shop = Frontend(host, "https://shop.example.org")
    assert shop.start(client_id="shop").status_code == 201
    assert shop.start(client_id="b").status_code == 403
    assert shop.start().status_code == 403


@pytest.mark.check("P10")
def test_a_browser_that_asks_first_is_answered_before_everything_else(host: Host) -> None:
    response = Frontend(host).call("OPTIONS", "/sessions")
    assert response.status_code == 204
    headers = response.headers
    assert headers["Access-Control-Allow-Origin"] == SPA
    assert headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert "DELETE" in headers["Access-Control-Allow-Methods"]
    assert (
        "Access-Control-Allow-Origin"
        not in Frontend(host, "null").call("OPTIONS", "/sessions").headers
    )


@pytest.mark.check("P10")
def test_cookies_are_allowed_only_where_they_are_meant(host: Host, ada: int) -> None:
    front = Frontend(host)
    credentials = "Access-Control-Allow-Credentials"
    assert credentials not in front.start().headers
    assert credentials not in front.sign_in().headers
    assert credentials in front.call("OPTIONS", front.path + "/complete").headers
    assert credentials not in front.call("OPTIONS", front.path + "/otp/verify").headers
    host.mfa.issue_token(lambda user, client, proofs: {"token": "t"})
    assert credentials not in front.call("OPTIONS", front.path + "/complete").headers


# Sessions


@pytest.mark.check("P09")
@pytest.mark.reference(
    234, 236, 240, 245, 261, 263, 268, 275, 277, 280, 284, 291, 295, 309, 312, 316, 317
)
def test_a_session_is_good_for_its_own_token_and_origin_only(host: Host, ada: int) -> None:
    front, other = begun(host), begun(host)
    mine, theirs = front.token, other.token
    assert front.get().status_code == 200
    front.token = theirs
    assert front.get().status_code == 401, "another session's token"
    front.token = "x" * 43
    assert front.get().status_code == 401
    front.token = mine
    assert front.call("GET", front.path, headers={"Origin": "https://evil.test"}).status_code == 401
    assert front.call("GET", "/sessions/0").status_code == 401
    front.token = ""
    response = front.get()
    assert response.status_code == 401
    assert response.json["code"] == "not_authenticated"
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.check("P09")
def test_a_session_ends_with_its_time_and_when_it_is_given_up(host: Host, ada: int) -> None:
    with host.clock() as clock:
        front = begun(host)
        clock.tick(601)
        assert front.get().status_code == 401
        front = begun(host)
        assert front.call("DELETE", front.path).status_code == 204
        assert front.get().status_code == 401


@pytest.mark.check("E07", "S11")
def test_a_second_sign_in_in_one_session_is_refused(host: Host, ada: int) -> None:
    front = begun(host)
    host.user("eve@example.org")
    assert front.sign_in(login="eve@example.org").status_code == 409
    front.get()
    assert front.step["type"] == "prove"


@pytest.mark.check("C01")
def test_what_a_session_holds_is_sealed(host: Host, ada: int) -> None:
    front = begun(host)
    (row,) = host.rows("mfa_embedded_session")
    assert front.token not in str(dict(row))
    assert b"challenge" not in bytes(row["sealed"])


# Signing in


@pytest.mark.reference(313, 314)
def test_unknown_login_and_wrong_password_are_answered_alike(host: Host, ada: int) -> None:
    front = Frontend(host)
    front.start()
    wrong = front.sign_in("no")
    unknown = front.sign_in("no", "nobody@example.org")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.get_data() == unknown.get_data()
    assert wrong.json["code"] == "invalid_code"
    assert host.rows("mfa_user")[0]["failures"] == 0, "never the account's own counters"


@pytest.mark.check("H10")
def test_an_unknown_login_takes_as_long_as_a_wrong_password(host: Host, ada: int) -> None:
    host.mfa.check_password(lambda user, password: time.sleep(0.05) or False)
    with host.app.test_request_context():
        here = host.app.extensions["melody_mfa"]
        took = []
        for login in ("ada@example.org", "nobody@example.org"):
            began = time.perf_counter()
            assert account_for(here, login, "no") is None
            took.append(time.perf_counter() - began)
    assert took[1] == pytest.approx(took[0], abs=0.04)


@pytest.mark.check("L12")
def test_guessing_passwords_is_throttled_per_login_known_or_not(host: Host, ada: int) -> None:
    for login in ("ada@example.org", "nobody@example.org"):
        front = Frontend(host)
        front.start()
        answers = [front.sign_in("no", login).status_code for _ in range(11)]
        assert answers == [401] * 10 + [429]
        assert front.last is not None
        assert int(front.last.headers["Retry-After"]) > 0
        host.app.extensions["melody_mfa"]._limits = None


@pytest.mark.reference(310, 276, 278, 243, 244, 246, 251, 252, 255, 256, 315)
def test_a_first_sign_in_sets_an_authenticator_up_and_ends_in_a_session(host: Host) -> None:
    host.user()
    front = begun(host)
    assert front.step == {"type": "set_up", "factors": ["otp", "email"], "may_skip": False}
    assert front.post("/complete").status_code == 409
    front.post("/enrollment", factor="otp")
    made = front.post("/otp/setup").json
    assert made["qr_svg"].startswith("<svg")
    secret = otp.decode_secret(made["secret"])
    assert front.post("/otp/verify", code="000000").status_code == 401
    code = otp.code_at(secret, otp.step_of(time.time_ns() // 1_000_000))
    done = front.post("/otp/verify", code=code, name="Phone").json
    assert done["status"] == "complete"
    assert done["device_token"] is None, "nobody asked for one, and the setting is off"
    assert front.post("/otp/setup").status_code == 409, "never shown again"
    assert front.client.get("/secret").status_code == 302
    assert front.post("/complete").status_code == 200
    assert front.client.get("/secret").status_code == 200
    assert front.post("/complete").status_code == 401, "once"


@pytest.mark.reference(233, 235, 237, 262, 266, 267, 274)
def test_codes_are_sent_masked_and_verified(make_host: Make) -> None:
    host = make_host(**ON, MFA_RESEND_SECONDS=0)
    user = host.user(phone=PHONE)
    host.enroll(user, "sms", "email")
    front = begun(host)
    assert front.step["factors"] == ["sms", "email"]
    assert front.step["destination"] == "+44 •••• 56"
    assert front.step["destinations"]["email"] == "a•••@example.org"
    assert len(host.texts()) == 1, "the first code went out with the password"
    front.post("/email/send")
    assert front.post("/email/verify", code="000000").status_code == 401
    assert front.post("/email/verify", code=host.last_code()).json["status"] == "complete"


@pytest.mark.reference(247, 248)
def test_an_email_code_stands_in_where_it_may(host: Host) -> None:
    user = host.user()
    host.enroll(user, "otp")
    front = begun(host)
    assert front.step["alternatives"] == ["email_backup"]
    front.post("/email/send")
    front.post("/email/verify", code=host.last_code())
    assert front.step == {"type": "replace_factor", "factors": ["otp"]}
    assert front.post("/enrollment", later=True).json["status"] == "complete"


@pytest.mark.reference(249, 250, 264, 265)
@pytest.mark.parametrize("factor", ["otp", "sms"])
def test_no_email_code_stands_in_where_it_may_not(make_host: Make, factor: str) -> None:
    host = make_host(**ON, ALLOW_EMAIL_MFA_AS_BACKUP=False)
    host.enroll(host.user(phone=PHONE), factor)
    front = begun(host)
    assert front.step["alternatives"] == []
    assert front.post("/email/send").status_code == 409
    assert front.post("/email/verify", code="123456").status_code == 409
    assert host.mails() == []


@pytest.mark.reference(259, 260, 270, 271, 273)
def test_a_number_is_set_up_once_and_asked_for_then(make_host: Make) -> None:
    host = make_host(**ON, SMS_MFA_IS_REQUIRED=True)
    host.user()
    front = begun(host)
    assert front.step == {"type": "set_up", "factors": ["sms"], "may_skip": False}
    assert front.post("/sms/send").status_code == 409, "there is no number yet"
    front.post("/sms/setup", phone_number=PHONE)
    done = front.post("/sms/verify", code=host.last_code()).json
    assert done["status"] == "complete"
    assert done["device_token"] is None
    assert front.post("/sms/setup", phone_number=PHONE).status_code == 409
    assert begun(host).step["factors"] == ["sms"]


@pytest.mark.reference(242, 279)
def test_email_is_chosen_and_asked_for_then(host: Host) -> None:
    host.user()
    front = begun(host)
    front.post("/enrollment", factor="email")
    front.post("/email/send")
    assert front.post("/email/verify", code=host.last_code()).json["status"] == "complete"
    assert begun(host).step["factors"] == ["email"]


@pytest.mark.reference(311)
def test_where_nothing_is_asked_for_the_password_is_enough(make_host: Make) -> None:
    host = make_host(**ON, ENFORCE_ONE_MFA_ENROLLMENT=[])
    host.user()
    front = begun(host)
    assert front.step == {"type": "done"}
    assert front.post("/complete").status_code == 200


@pytest.mark.reference(304, 306)
def test_without_recovery_codes_nothing_can_be_done_with_them(host: Host, ada: int) -> None:
    front = Frontend(host)
    front.start()
    login, code = "ada@example.org", "0" * 24
    assert front.post("/recovery-sign-in", login=login, recovery_code=code).status_code == 404
    front.sign_in()
    front.post("/otp/verify", code=host.otp(ada))
    assert front.post("/recovery-codes").status_code == 409


@pytest.mark.check("T03", "T05")
def test_a_code_used_on_a_page_does_not_work_here(host: Host, ada: int) -> None:
    from tests.host import Person

    with host.clock():
        code = host.otp(ada)
        person = Person(host)
        person.sign_in()
        person.get("/mfa/challenge/otp")
        person.code(code)
        assert person.signed_in()
        assert begun(host).post("/otp/verify", code=code).status_code == 401


@pytest.mark.check("L02")
def test_wrong_codes_here_and_on_the_pages_are_one_budget(host: Host, ada: int) -> None:
    from tests.host import Person

    front = begun(host)
    assert [front.post("/otp/verify", code="000000").status_code for _ in range(5)] == [401] * 5
    assert front.post("/otp/verify", code="000000").status_code == 410
    person = Person(host)
    person.sign_in()
    person.get("/mfa/challenge/otp")
    for _ in range(5):
        person.code("000000")
    assert begun(host).post("/otp/verify", code=host.otp(ada)).status_code == 429


@pytest.mark.check("T08", "H04")
@pytest.mark.parametrize(
    "code", [26920, True, None, [], {"$ne": ""}, "1" * 10_000, "1e5", "12\x0034", "\ud800"]
)
def test_a_malformed_code_is_400_and_costs_nothing(host: Host, ada: int, code: Any) -> None:
    front = begun(host)
    response = front.call("POST", front.path + "/otp/verify", {"code": code})
    assert response.status_code == 400
    assert response.json["code"] == "invalid_request"
    assert host.rows("mfa_user")[0]["failures"] == 0


@pytest.mark.check("P06")
def test_fields_that_nobody_asked_for_are_refused(host: Host, ada: int) -> None:
    front = begun(host)
    response = front.post("/otp/verify", code="123456", verified=True, user_id=9)
    assert response.status_code == 400
    assert set(response.json["errors"]) == {"verified", "user_id"}


# Recovery, devices, passkeys


@pytest.mark.reference(302, 303, 305, 238, 239, 241, 254, 257, 269, 272)
def test_recovery_codes_and_remembered_devices(make_host: Make) -> None:
    host = make_host(**ON, ENABLE_RECOVERY_CODE=True, ENABLE_MFA_REMEMBER_DEVICE=True)
    user = host.user()
    host.enroll(user, "otp")
    with host.clock() as clock:
        front = begun(host)
        assert front.step["remember_device_allowed"] is True
        done = front.post("/otp/verify", code=host.otp(user), remember_device=True).json
        assert done["next_step"] == {"type": "recovery_codes"}
        device = done["device_token"]
        codes = front.post("/recovery-codes").json["recovery_codes"]
        assert len(codes) == 10
        assert front.post("/recovery-codes/saved").json["status"] == "complete"
        clock.tick(60)
        again = Frontend(host)
        again.start(device_token=device)
        assert again.sign_in().json["status"] == "complete"
        rotated = again.last.json["device_token"] if again.last else None
        assert rotated and rotated != device
        lost = begun(host)
        assert "recovery_code" in lost.step["alternatives"]
        assert lost.post("/recovery-code/verify", code=codes[0]).status_code == 200
        assert lost.step == {"type": "replace_factor", "factors": ["otp"]}
        assert lost.post("/enrollment", later=True).json["status"] == "complete"
        assert lost.post("/complete").status_code == 200
        forgot = Frontend(host)
        forgot.start()
        login = "ada@example.org"
        assert (
            forgot.post("/recovery-sign-in", login=login, recovery_code=codes[0]).status_code == 401
        )
        forgot.post("/recovery-sign-in", login=login, recovery_code=codes[1])
        assert forgot.step["factors"] == ["otp"]


@pytest.mark.check("D03")
@pytest.mark.reference(258)
@pytest.mark.parametrize("token", ["x", "a.b.c", "e30.x.y", "x" * 1000])
def test_a_device_token_that_is_not_ours_is_no_error_and_covers_nothing(
    make_host: Make, token: str
) -> None:
    host = make_host(**ON, ENABLE_MFA_REMEMBER_DEVICE=True)
    user = host.user()
    host.enroll(user, "otp")
    front = Frontend(host)
    assert front.start(device_token=token).status_code == 201
    front.sign_in()
    assert front.step["type"] == "prove"


# The end


def test_the_host_s_token_ends_it_where_there_is_a_hook(host: Host, ada: int) -> None:
    given: list[Any] = []

    @host.mfa.issue_token
    def issue(user: Any, client: str | None, proofs: dict[str, int]) -> dict[str, str]:
        given.append((user.email, client, sorted(proofs)))
        return {"access_token": "jwt"}

    front = begun(host)
    front.post("/otp/verify", code=host.otp(ada))
    response = front.post("/complete")
    assert response.json["token"] == {"access_token": "jwt"}
    assert "Set-Cookie" not in response.headers
    assert given == [("ada@example.org", None, ["otp"])]


def test_completing_signs_out_whoever_was_signed_in_here(host: Host, ada: int) -> None:
    from tests.host import Person

    eve = host.user("eve@example.org")
    host.enroll(eve, "otp")
    person = Person(host)
    person.sign_in("eve@example.org")
    person.follow()
    person.code(host.otp(eve))
    front = begun(host)
    front.client = person.client
    front.post("/otp/verify", code=host.otp(ada))
    front.post("/complete")
    assert person.get("/secret").text == "secret of ada@example.org"
    ended = [row for row in host.rows("mfa_session") if row["user_key"] == str(eve)]
    assert all(row["ended_at"] is not None for row in ended)


# Managing


def test_a_signed_in_user_manages_after_a_fresh_proof(host: Host, ada: int) -> None:
    from tests.host import Person

    with host.clock() as clock:
        person = Person(host)
        person.sign_in()
        person.get("/mfa/challenge/otp")
        person.code(host.otp(ada))
        clock.tick(400)
        front = Frontend(host)
        front.client = person.client
        started = front.start(purpose="manage")
        assert started.status_code == 201
        assert started.headers["Access-Control-Allow-Credentials"] == "true"
        assert front.step["type"] == "prove"
        assert front.get("/account").status_code == 409
        front.post("/otp/verify", code=host.otp(ada))
        assert front.step == {"type": "done"}
        held = front.get("/account").json["factors"]
        assert {one["factor"] for one in held} == {"otp", "email"}
        email = next(one["id"] for one in held if one["factor"] == "email")
        assert front.call("DELETE", f"{front.path}/factors/{email}").status_code == 204
        assert front.call("DELETE", f"{front.path}/factors/{email}").status_code == 404
        front.post("/enrollment", factor="sms")
        front.post("/sms/setup", phone_number=PHONE)
        assert front.post("/sms/verify", code=host.last_code()).status_code == 200
        assert {row["kind"] for row in host.rows("mfa_credential")} == {"otp", "sms"}
        clock.tick(301)
        assert front.get("/account").status_code == 403
        front.get()
        assert front.step["type"] == "prove", "and the next step is to give a fresh one"


def lending(host: Host, user: int) -> Frontend:
    """A frontend whose calls carry a token of the host's, and no cookie."""

    def identify(request: Any) -> Any:
        return host.get(user) if request.headers.get("X-Token") == "hers" else None

    host.mfa.identify_token(identify)
    return Frontend(host, **{"X-Token": "hers"})


def live_sessions(host: Host) -> list[Any]:
    return [one for one in host.rows("mfa_session") if one["ended_at"] is None]


@pytest.mark.parametrize("enough", [False, True])
def test_a_token_of_the_hosts_opens_a_session_that_first_asks_for_a_proof(
    make_host: Make, enough: bool
) -> None:
    host = make_host(**ON, MFA_EXTERNAL_SIGN_IN_IS_ENOUGH=enough)
    ada = host.user()
    host.enroll(ada, "otp")
    front = lending(host, ada)
    assert front.start(purpose="manage").status_code == 201
    assert front.step["type"] == "prove"
    assert front.get("/account").status_code == 409
    front.post("/otp/verify", code=host.otp(ada))
    assert front.step == {"type": "done"}
    assert front.get("/account").status_code == 200
    assert len(live_sessions(host)) == 1
    assert front.call("DELETE", front.path).status_code == 204
    assert live_sessions(host) == [], "what was lent is given back"


def test_a_token_of_the_hosts_is_no_password(host: Host) -> None:
    front = lending(host, host.user())
    assert front.start(purpose="manage").status_code == 403
    assert live_sessions(host) == []
    front.headers.pop("X-Token")
    assert front.start(purpose="manage").status_code == 401


def test_nobody_manages_without_being_signed_in(host: Host, ada: int) -> None:
    assert Frontend(host).start(purpose="manage").status_code == 401
    front = begun(host)
    front.post("/otp/verify", code=host.otp(ada))
    assert front.get("/account").status_code == 409


# The face


@pytest.mark.check("P11")
def test_wrong_addresses_methods_and_types_are_problems(host: Host) -> None:
    front = Frontend(host)
    assert front.call("GET", "/nothing").status_code == 404
    response = front.call("GET", "/sessions")
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    front.start()
    response = front.client.post(
        BASE + front.path + "/sign-in",
        data="login=x",
        headers={**front.headers, "Authorization": f"Bearer {front.token}"},
        content_type="text/plain",
    )
    assert response.status_code == 415
    response = front.client.post(
        BASE + "/sessions", data=b"x" * 100_000, headers=front.headers,
        content_type="application/json",
    )  # fmt: skip
    assert response.status_code == 413


@pytest.mark.check("H01")
def test_the_host_s_csrf_protection_does_not_stand_in_the_way(make_host: Make) -> None:
    from flask_wtf import CSRFProtect

    host = make_host(**ON, WTF_CSRF_ENABLED=True)
    CSRFProtect(host.app)
    assert Frontend(host).start().status_code == 201


def test_the_document_names_every_operation(host: Host) -> None:
    front = Frontend(host)
    document = front.call("GET", "/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert "/sessions/{id}/passkey-enrollment/skip" in document["paths"]
    assert front.call("GET", "/docs").status_code == 200
