"""Passkeys in an honest world: the prompt, the proof, the sign-in, and their whole life."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.authenticator import BE, BS, UP, UV, Algorithm, Passkey, ways
from tests.host import Host
from tests.passkeys import CHALLENGE, KNOWN, OPTIONS, PROMPT, VERIFY, Holder, holder, row

Make = Callable[..., Host]

ON = {"ALLOW_PASSKEY_ENROLLMENT": True, "ENFORCE_ONE_MFA_ENROLLMENT": []}


@pytest.fixture
def host(make_host: Make) -> Host:
    """A host that offers passkeys and enforces nothing."""
    return make_host(**ON)


# The prompt


@pytest.mark.reference(168)
def test_the_prompt_follows_a_sign_in_and_leads_on(host: Host) -> None:
    ada = host.user()
    person = Holder(host)
    answer = person.sign_in()
    assert answer.headers["Location"] == f"{PROMPT}?next=/secret"
    assert "Sign in faster" in person.follow().text
    assert person.signed_in(), "the gate owes nothing"
    answer = person.call(
        f"{PROMPT}?next=/secret",
        {"credential": Passkey().create(person.options(f"{PROMPT}/options")), "name": ""},
    )
    assert answer.get_json()["next"] == "/secret"
    assert person.signed_in(), "to hold something does not close the session that made it"
    assert host.events(ada)[-1] == "passkey_added"
    assert [mail.subject for mail in host.mails()] == ["A passkey was added to your host account"]
    assert Holder(host).sign_in().headers["Location"] != f"{PROMPT}?next=/secret"


@pytest.mark.check("W12")
@pytest.mark.reference(105)
def test_the_options_of_a_registration(host: Host) -> None:
    ada = host.user()
    person = Holder(host)
    person.sign_in()
    options = person.options(f"{PROMPT}/options")
    challenge, user = options.pop("challenge"), options.pop("user")
    assert len(challenge) == 43
    assert len(user["id"]) == 86 and user["name"] == "ada@example.org"
    assert options == {
        "rp": {"id": "localhost", "name": "host"},
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-8, -7, -257)],
        "timeout": 300_000,
        "excludeCredentials": [],
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": False,
            "userVerification": "required",
        },
        "attestation": "none",
    }
    again = person.options(f"{PROMPT}/options")
    assert again["user"]["id"] == user["id"], "one handle for an account"
    assert again["challenge"] != challenge
    bob = host.user("bob@example.org")
    other = Holder(host)
    other.sign_in("bob@example.org")
    assert other.options(f"{PROMPT}/options")["user"]["id"] != user["id"]
    assert {one["user_key"] for one in host.rows("mfa_passkey_user")} == {str(ada), str(bob)}


@pytest.mark.check("W12")
def test_only_ones_own_passkeys_are_excluded(host: Host) -> None:
    _, first = holder(host)
    holder(host, email="bob@example.org")
    person = Holder(host)
    person.enter(first)
    listed = person.options(f"{PROMPT}/options")["excludeCredentials"]
    assert [one["id"] for one in listed] == [first.create(OPTIONS_FOR_NOBODY)["id"]]
    assert listed[0]["transports"] == ["internal", "hybrid"]


OPTIONS_FOR_NOBODY = {"user": {"id": ""}, "challenge": ""}


@pytest.mark.reference(109)
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_each_kind_of_key_is_made_and_signs_in(host: Host, algorithm: Algorithm) -> None:
    ada, passkey = holder(host, Passkey(algorithm))
    found = row(host, passkey)
    assert found["user_key"] == str(ada)
    assert (found["sign_count"], found["uv_initialized"], found["backup_eligible"]) == (0, 1, 0)
    assert found["name"] == "Google Password Manager"
    person = Holder(host)
    answer = person.enter(passkey)
    assert answer.get_json() == {"next": "/"}
    assert person.signed_in()


@pytest.mark.reference(117, 118)
@pytest.mark.parametrize("never", [False, True])
def test_the_prompt_can_be_put_off_once_or_for_good(host: Host, never: bool) -> None:
    host.user()
    person = Holder(host)
    person.sign_in()
    person.follow()
    fields = {"dont_ask_again": "1"} if never else {}
    answer = person.post(f"{PROMPT}/skip", {"next": "/secret", **fields})
    assert answer.headers["Location"] == "/secret"
    asked_again = Holder(host).sign_in().headers["Location"] != "/secret"
    assert asked_again is not never
    declined = [one["declined_at"] is not None for one in host.rows("mfa_passkey_user")]
    assert declined == ([True] if never else [])


def test_a_json_login_is_not_led_to_the_prompt(host: Host) -> None:
    host.user()
    answer = host.app.test_client().post("/json-login", json={"email": "ada@example.org"})
    assert answer.get_json() == {"profile": "ada@example.org"}
    by_script = host.app.test_client().post(
        "/login",
        data={"email": "ada@example.org", "password": "pw"},
        headers={"Sec-Fetch-Dest": "empty"},
    )
    assert by_script.headers["Location"] == "/secret"


def test_the_prompt_follows_a_challenge_too(host: Host) -> None:
    ada = host.user()
    host.enroll(ada, "otp")
    person = Holder(host)
    person.sign_in()
    person.follow()
    assert person.code(host.otp(ada)).headers["Location"] == f"{PROMPT}?next=/secret"


def test_recovery_codes_are_offered_after_the_passkey(make_host: Make) -> None:
    host = make_host(**ON, ENABLE_RECOVERY_CODE=True)
    host.user()
    person = Holder(host)
    person.sign_in()
    person.follow()
    options = person.options(f"{PROMPT}/options")
    answer = person.call(f"{PROMPT}?next=/secret", {"credential": Passkey().create(options)})
    assert answer.get_json()["next"] == "/mfa/enroll/recovery-codes?next=/secret"


@pytest.mark.reference(106, 107, 140, 141)
def test_switched_off_nothing_is_offered_and_nothing_made(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    host.user()
    person = Holder(host)
    assert person.sign_in().headers["Location"] == "/secret"
    assert person.get(PROMPT).status_code == 404
    assert person.call(f"{PROMPT}/options").status_code == 404
    assert person.call(PROMPT, {"credential": {}}).status_code == 404


def test_switched_off_existing_ones_stay_usable(make_host: Make, sqlite_url: str) -> None:
    _, passkey = holder(make_host(sqlite_url, **ON))
    later = make_host(sqlite_url, ENFORCE_ONE_MFA_ENROLLMENT=[])
    person = Holder(later)
    assert person.enter(passkey).status_code == 200
    assert person.signed_in()


@pytest.mark.check("E05", "S08")
def test_who_has_not_proven_what_they_hold_adds_nothing(host: Host) -> None:
    ada = host.user()
    host.enroll(ada, "otp")
    person = Holder(host)
    person.sign_in()
    person.follow()
    assert person.get(PROMPT).headers["Location"].startswith("/mfa/challenge/otp")
    assert person.call(f"{PROMPT}/options").status_code == 409
    assert person.call(PROMPT, {"credential": {}}).status_code == 409
    assert host.rows("mfa_passkey") == [] and host.rows("mfa_ceremony") == []


@pytest.mark.check("S07", "S08")
def test_an_old_session_adds_one_after_a_fresh_proof(host: Host) -> None:
    ada = host.user()
    host.enroll(ada, "otp")
    with host.clock() as clock:
        person = Holder(host)
        person.sign_in()
        person.follow()
        person.code(host.otp(ada))
        clock.tick(301)
        refused = person.call(f"{PROMPT}/options")
        assert refused.status_code == 403
        assert refused.get_json()["code"] == "step_up_required"
        person.get(PROMPT)
        assert person.follow().request.path == "/mfa/challenge/otp"
        person.code(host.otp(ada), next=PROMPT)
        assert person.at == PROMPT
        person.follow()
        assert "Make a passkey" in person.text
        assert person.make(Passkey()).status_code == 200


def test_a_backup_by_email_earns_no_passkey(host: Host) -> None:
    ada = host.user()
    host.enroll(ada, "otp")
    person = Holder(host)
    person.sign_in()
    person.get("/mfa/challenge/email")
    person.post("/mfa/challenge/email/send")
    person.get("/mfa/challenge/email")
    person.code(host.last_code())
    assert not person.at.startswith(PROMPT)
    assert person.call(f"{PROMPT}/options").status_code == 403


# Signing in by one


@pytest.mark.check("W33")
@pytest.mark.reference(121)
def test_the_options_of_a_sign_in_name_nobody(host: Host) -> None:
    holder(host)
    options = Holder(host).options(OPTIONS)
    assert len(options.pop("challenge")) == 43
    assert options == {
        "timeout": 300_000,
        "rpId": "localhost",
        "allowCredentials": [],
        "userVerification": "required",
    }


@pytest.mark.check("E02")
@pytest.mark.reference(123, 128)
def test_a_passkey_is_enough_whatever_is_required(make_host: Make, sqlite_url: str) -> None:
    ada, passkey = holder(make_host(sqlite_url, **ON))
    host = make_host(sqlite_url, OTP_MFA_IS_REQUIRED=True, EMAIL_MFA_IS_REQUIRED=True)
    person = Holder(host)
    assert person.enter(passkey).get_json() == {"next": "/"}
    assert person.signed_in()
    status = person.client.get("/status").get_json()
    assert status == {
        "satisfied": True,
        "method": "passkey",
        "factors": ["passkey"],
        "level": 2,
        "client": None,
    }
    assert host.events(ada)[-2:] == ["proof_accepted", "signed_in"]


def test_where_it_leads_stays_on_this_site(host: Host) -> None:
    _, passkey = holder(host)
    for wanted, goes in (("/secret?a=1", "/secret?a=1"), ("https://evil.test/", "/"), ("//e", "/")):
        person = Holder(host)
        options = person.options(OPTIONS)
        answer = person.client.post(
            VERIFY, query_string={"next": wanted}, json={"credential": passkey.get(options)}
        )
        assert answer.get_json()["next"] == goes


def test_where_a_passkey_is_not_enough_it_stands_for_the_password(
    make_host: Make, sqlite_url: str
) -> None:
    ada, passkey = holder(make_host(sqlite_url, **ON))
    host = make_host(sqlite_url, MFA_PASSKEY_IS_ENOUGH=False)
    host.enroll(ada, "otp")
    person = Holder(host)
    answer = person.enter(passkey)
    assert answer.get_json()["next"] == "/mfa/challenge?next=/"
    assert not person.signed_in()
    assert person.go(answer).request.path == "/mfa/challenge/otp"
    assert person.get(CHALLENGE).headers["Location"].startswith("/mfa/challenge/otp"), (
        "the passkey that opened the sign-in does not count twice"
    )
    person.get("/mfa/challenge/otp")
    assert person.code(host.otp(ada)).headers["Location"] == "/"
    assert person.signed_in()


def test_where_a_passkey_is_not_enough_it_is_one_of_the_choices(
    make_host: Make, sqlite_url: str
) -> None:
    _, passkey = holder(make_host(sqlite_url, **ON))
    host = make_host(sqlite_url, MFA_PASSKEY_IS_ENOUGH=False, ENFORCE_ONE_MFA_ENROLLMENT=[])
    person = Holder(host)
    person.sign_in()
    assert person.follow().request.path == CHALLENGE
    assert person.prove(passkey).get_json()["next"] == "/secret"
    assert person.signed_in()


@pytest.mark.check("W31", "E14")
@pytest.mark.reference(125)
def test_a_disabled_user_does_not_get_in(host: Host) -> None:
    ada, passkey = holder(host)
    person = Holder(host)
    options = person.options(OPTIONS)
    with host.app.app_context():
        host.get(ada).active = False
        host.db.session.commit()
    answer = person.call(VERIFY, {"credential": passkey.get(options)})
    assert answer.status_code == 401
    assert not person.signed_in()


def test_flask_login_hears_of_it_and_remembers_when_asked(host: Host) -> None:
    from flask_login import user_logged_in

    heard: list[str] = []

    def hear(_app: object, user: object, **_: object) -> None:
        heard.append(user.email)  # type: ignore[attr-defined]

    user_logged_in.connect(hear, host.app)
    _, passkey = holder(host)
    heard.clear()
    person = Holder(host)
    person.enter(passkey, remember=True)
    assert heard == ["ada@example.org"]
    assert "remember_token" in person.cookies()


def test_a_fresh_sign_in_by_passkey_is_a_fresh_proof(host: Host) -> None:
    _, passkey = holder(host)
    with host.clock() as clock:
        person = Holder(host)
        person.enter(passkey)
        assert person.get("/fresh").text == "fresh"
        clock.tick(301)
        person.get("/fresh")
        assert person.follow().request.path == CHALLENGE
        assert person.prove(passkey).get_json()["next"] == "/fresh"
        assert person.get("/fresh").text == "fresh"


def test_the_page_for_those_without_a_login_form(host: Host) -> None:
    _, passkey = holder(host)
    person = Holder(host)
    page = person.get("/mfa/passkey/sign-in?next=/secret")
    assert page.status_code == 200
    assert 'data-mfa-passkey="sign-in"' in page.text
    assert "/mfa/passkey/verify?next=/secret" in person.text
    person.enter(passkey)
    assert person.get("/mfa/passkey/sign-in?next=/secret").headers["Location"] == "/secret"


def test_without_a_relying_party_there_are_no_passkeys(make_host: Make) -> None:
    host = make_host(MFA_BASE_URL=None)
    person = Holder(host)
    assert person.get("/mfa/passkey/sign-in").status_code == 404
    answer = person.call(OPTIONS)
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_configured")


# As the second factor


def test_a_passkey_stands_in_for_a_code(host: Host) -> None:
    ada, passkey = holder(host)
    host.enroll(ada, "otp")
    person = Holder(host)
    person.sign_in()
    person.follow()
    assert person.at == "/mfa/challenge/otp"
    assert CHALLENGE in person.text, "offered as another way"
    options = person.options(f"{CHALLENGE}/options")
    assert [one["id"] for one in options["allowCredentials"]] == [
        passkey.get({"challenge": ""})["id"]
    ]
    assert options["userVerification"] == "required"
    answer = person.prove(passkey, ways(handle=None))
    assert answer.get_json()["next"] == "/secret"
    assert person.signed_in()
    assert host.rows("mfa_user")[0]["failures"] == 0


def test_who_holds_only_a_passkey_is_asked_for_it(host: Host) -> None:
    _, passkey = holder(host)
    person = Holder(host)
    person.sign_in()
    page = person.follow()
    assert page.request.path == CHALLENGE
    assert 'data-mfa-passkey="prove"' in page.text
    assert "<noscript>" in page.text
    person.prove(passkey)
    assert person.signed_in()


def test_a_step_up_for_a_passkey_ends_in_its_set_up(make_host: Make) -> None:
    host = make_host(**ON)

    from flask_melody_mfa import mfa_required

    @host.app.route("/vault")
    @mfa_required(phishing_resistant=True)
    def vault() -> str:
        return "vault"

    ada = host.user()
    host.enroll(ada, "otp")
    person = Holder(host)
    person.sign_in()
    person.follow()
    person.code(host.otp(ada))
    person.get("/vault")
    assert person.follow().request.path == "/mfa/challenge/otp"
    with host.clock() as clock:
        clock.tick(60)
        person.code(host.otp(ada))
        assert person.follow().request.path == PROMPT
        passkey = Passkey()
        answer = person.make(passkey)
        assert person.go(answer).request.path == CHALLENGE, "what was set up is proven, too"
        answer = person.prove(passkey)
        assert person.go(answer).text == "vault"


def test_a_signed_in_user_chooses_a_passkey_among_the_factors(host: Host) -> None:
    ada = host.user()
    host.enroll(ada, "otp")
    person = Holder(host)
    person.sign_in()
    person.follow()
    person.code(host.otp(ada))
    person.post(f"{PROMPT}/skip")
    with host.clock() as clock:
        clock.tick(60)
        person.get("/mfa/enroll")
        person.follow()
        person.code(host.otp(ada))
        person.follow()
        assert person.at == "/mfa/enroll"
        person.post("/mfa/enroll", {"factor": "passkey"})
        assert person.follow().request.path == PROMPT
        assert person.make(Passkey()).status_code == 200
    assert len(host.rows("mfa_passkey")) == 1


# Flags and counters


@pytest.mark.check("W27")
def test_whether_it_is_synced_is_kept_up_to_date(host: Host) -> None:
    _, passkey = holder(host, Passkey(flags=UP | UV | BE))
    assert (row(host, passkey)["backup_eligible"], row(host, passkey)["backed_up"]) == (1, 0)
    passkey.flags = UP | UV | BE | BS
    assert Holder(host).enter(passkey).status_code == 200
    assert row(host, passkey)["backed_up"] == 1
    passkey.flags = UP | UV | BE
    assert Holder(host).enter(passkey).status_code == 200
    assert row(host, passkey)["backed_up"] == 0


@pytest.mark.check("W29")
@pytest.mark.parametrize("shown", [4, 5, 0])
def test_a_counter_that_does_not_go_up_is_refused_and_told(host: Host, shown: int) -> None:
    ada, passkey = holder(host, Passkey(count=5))
    before = row(host, passkey)
    answer = Holder(host).enter(passkey, ways(count=shown))
    assert answer.status_code == 401
    assert row(host, passkey) == before
    assert "passkey_clone_suspected" in host.events(ada)
    assert [mail.subject for mail in host.mails()] == [
        "A passkey of your host account may have been copied"
    ]


@pytest.mark.check("W29")
def test_a_counter_is_kept_and_counts_once(host: Host) -> None:
    ada, passkey = holder(host, Passkey(count=5))
    for count in (6, 9):
        assert Holder(host).enter(passkey, ways(count=count)).status_code == 200
        assert row(host, passkey)["sign_count"] == count
    assert Holder(host).enter(passkey, ways(count=9)).status_code == 401
    person = Holder(host)
    person.sign_in()
    assert person.prove(passkey, ways(count=9)).status_code == 401
    assert host.events(ada).count("passkey_clone_suspected") == 2


@pytest.mark.check("W29")
def test_a_passkey_without_a_counter_is_used_again_and_again(host: Host) -> None:
    _, passkey = holder(host)
    with host.clock() as clock:
        for _ in range(3):
            clock.tick(60)
            assert Holder(host).enter(passkey).status_code == 200
            assert row(host, passkey)["last_used_at"] == clock.now


@pytest.mark.check("W34")
def test_what_was_made_without_asking_needs_a_password_beside_it_once(make_host: Make) -> None:
    host = make_host(**ON)
    ada = host.user()
    host.enroll(ada, "otp")
    person = Holder(host)
    person.sign_in()
    person.follow()
    person.code(host.otp(ada))
    passkey = Passkey(flags=0)
    options = person.options(f"{PROMPT}/options", automatic=True)
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    assert person.call(PROMPT, {"credential": passkey.create(options)}).status_code == 200
    assert row(host, passkey)["uv_initialized"] == 0
    passkey.flags = UP | UV
    assert Holder(host).enter(passkey).status_code == 401, "nobody vouches for its verification"
    assert row(host, passkey)["uv_initialized"] == 0
    beside = Holder(host)
    beside.sign_in()
    assert beside.prove(passkey).status_code == 200
    assert row(host, passkey)["uv_initialized"] == 1
    assert Holder(host).enter(passkey).status_code == 200


def test_nothing_is_made_without_asking_where_it_would_be_all_that_is_held(host: Host) -> None:
    host.user()
    person = Holder(host)
    person.sign_in()
    assert '"automatic": false' in person.follow().get_data(as_text=True).replace("&#34;", '"')
    assert person.call(f"{PROMPT}/options", {"automatic": True}).status_code == 403


@pytest.mark.check("W34")
def test_extensions_that_nobody_asked_for_are_ignored(host: Host) -> None:
    import cbor2

    _, passkey = holder(host)
    extra = ways(flags=UP | UV | 0x80, extra=cbor2.dumps({"odd": True}))
    assert Holder(host).enter(passkey, extra).status_code == 200


# Telling the browser


def test_an_unknown_passkey_is_told_to_who_knows_the_account(host: Host) -> None:
    _, passkey = holder(host)
    shown = passkey.get({"challenge": ""})
    asked = {"id": shown["id"], "user_handle": shown["response"]["userHandle"]}
    person = Holder(host)
    assert person.call(KNOWN, asked).get_json() == {"known": True}
    assert person.call(KNOWN, {**asked, "user_handle": "A" * 86}).get_json() == {"known": False}
    assert person.call(KNOWN, {**asked, "id": "AAAA"}).get_json() == {"known": False}
    assert person.call(KNOWN, {**asked, "id": "A"}).status_code == 400
