"""The admin panel: who gets in, what is shown, what can be done, and what is told of it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable

import pytest

from flask_melody_mfa.web.admin import charts
from flask_melody_mfa.web.admin.events import cell
from tests.host import PHONE, Host, Person

Make = Callable[..., Host]

PAGES = ("", "/users", "/users/1", "/clients", "/clients/new", "/events", "/settings")
BOSS = "boss@example.org"


@pytest.fixture
def host(make_host: Make) -> Host:
    host = make_host(ENABLE_RECOVERY_CODE=True, ENABLE_MFA_REMEMBER_DEVICE=True)
    host.mfa.is_admin(lambda user: user.email.endswith("boss@example.org"))
    return host


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator, email and a number."""
    user = host.user(phone=PHONE)
    host.enroll(user, "otp", "email", "sms")
    return user


def admin(host: Host, email: str = BOSS) -> Person:
    """An admin who signed in with an authenticator just now."""
    boss = host.user(email)
    host.enroll(boss, "otp")
    person = Person(host)
    person.sign_in(email)
    person.follow()
    person.code(host.otp(boss))
    return person


def do(person: Person, user: int, action: str, **fields: str) -> int:
    """Press a button on a user's page."""
    person.get(f"/mfa/admin/users/{user}")
    return person.post(f"/mfa/admin/users/{user}/{action}", fields).status_code


# Who gets in


@pytest.mark.check("M01")
def test_the_panel_is_not_there_until_somebody_is_an_admin(make_host: Make) -> None:
    host = make_host()
    person = admin(host)
    assert {person.get(f"/mfa/admin{path}").status_code for path in PAGES} == {404}


@pytest.mark.check("M01")
def test_it_is_not_there_for_anybody_else(host: Host, ada: int) -> None:
    person = Person(host)
    assert person.get("/mfa/admin").status_code == 303
    assert person.at == "/login"
    person.sign_in()
    assert person.get("/mfa/admin").status_code == 302, "the gate comes first"
    person.follow()
    person.code(host.otp(ada))
    assert {person.get(f"/mfa/admin{path}").status_code for path in PAGES} == {404}
    assert (
        person.post("/mfa/admin/users/1/reset", {"what": "all", "reason": "x"}).status_code == 404
    )


def test_it_can_be_switched_off(make_host: Make) -> None:
    host = make_host(MFA_ADMIN_PANEL=False)
    host.mfa.is_admin(lambda user: True)
    assert admin(host).get("/mfa/admin").status_code == 404


@pytest.mark.check("M01")
def test_a_hook_that_fails_lets_nobody_in(host: Host) -> None:
    person = admin(host)

    @host.mfa.is_admin
    def fails(user: object) -> bool:
        raise RuntimeError("directory is down")

    assert person.get("/mfa/admin").status_code == 503


@pytest.mark.check("M01")
def test_a_stale_proof_is_asked_for_anew_sooner_for_changes(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = admin(host)
        assert person.get("/mfa/admin").status_code == 200
        clock.tick(400)
        assert person.get("/mfa/admin/users/1").status_code == 200, "to look, 15 minutes will do"
        response = person.post("/mfa/admin/users/1/unlock", {})
        assert response.status_code == 303
        assert person.at.startswith("/mfa/challenge")
        assert "unlocked" not in host.events(ada)
        clock.tick(600)
        assert person.get("/mfa/admin").status_code in (302, 303)


@pytest.mark.check("M01")
def test_email_alone_is_not_strong_enough(host: Host) -> None:
    boss = host.user(BOSS)
    host.enroll(boss, "email")
    person = Person(host)
    person.sign_in(BOSS)
    person.follow()
    person.code(host.last_code())
    person.get("/mfa/admin")
    assert person.follow().request.path.startswith(("/mfa/challenge", "/mfa/enroll"))


# What is shown


@pytest.mark.check("M03", "C01")
def test_no_page_shows_a_secret_or_a_whole_number(host: Host, ada: int) -> None:
    person = admin(host)
    texts = [person.get(f"/mfa/admin{path}").text for path in PAGES]
    with host.app.app_context():
        from flask_melody_mfa.flows.context import Context
        from flask_melody_mfa.web.state import context

        ctx: Context = context()
        rows = host.rows("mfa_credential")
        assert ctx is not None and rows
    assert not any(PHONE in text for text in texts)
    assert any("+44 •••• 56" in text for text in texts)
    assert not any(re.search(r"\b[A-Z2-7]{32}\b", text) for text in texts)


def test_users_are_found_by_email_and_key_and_paged(host: Host, ada: int) -> None:
    person = admin(host)
    for number in range(30):
        host.user(f"reader{number:02}@example.org")
    assert "ada@example.org" in person.get("/mfa/admin/users?query=ada").text
    assert "reader" not in person.text
    assert "ada@example.org" in person.get(f"/mfa/admin/users?query={ada}").text
    seen: set[str] = set()
    path = "/mfa/admin/users?query=reader"
    for _ in range(4):
        seen |= set(re.findall(r"reader\d\d@", person.get(path).text))
        following = re.search(r'href="([^"]*cursor=[^"]*)"[^>]*>[^<]*<span[^>]*>Next', person.text)
        if following is None:
            break
        path = following.group(1).replace("&amp;", "&")
    assert len(seen) == 30


def test_a_cursor_that_somebody_made_up_is_refused(host: Host) -> None:
    assert admin(host).get("/mfa/admin/users?cursor=x").status_code == 404


@pytest.mark.parametrize(
    "query", ["\x00", "\ud800".encode("utf-8", "surrogatepass").hex(), "x" * 5000]
)
def test_a_search_for_nonsense_finds_nobody(host: Host, query: str) -> None:
    person = admin(host)
    assert person.get("/mfa/admin/users", query_string={"query": query}).status_code == 200


def test_a_user_s_page_says_why_and_for_which_client(make_host: Make) -> None:
    host = make_host(MFA_CLIENTS={"vault": {"SMS_MFA_IS_REQUIRED": True}})
    host.mfa.is_admin(lambda user: user.email == BOSS)
    user = host.user(phone=PHONE)
    host.enroll(user, "otp")
    person = admin(host)
    assert "rule 6: one of what is held" in person.get(f"/mfa/admin/users/{user}").text
    text = person.get(f"/mfa/admin/users/{user}?client=vault").text
    assert "rule 3: a proof before any set-up" in text
    assert "client code" in text


@pytest.mark.check("N08")
def test_to_look_at_a_user_is_recorded_in_the_admin_s_name(host: Host, ada: int) -> None:
    person = admin(host)
    person.get(f"/mfa/admin/users/{ada}")
    seen = [row for row in host.rows("mfa_event") if row["type"] == "admin_viewed_user"]
    assert [(row["user_key"], row["actor"]) for row in seen] == [(str(ada), "admin:2")]


@pytest.mark.check("H09")
def test_what_others_wrote_is_escaped(host: Host) -> None:
    user = host.user("<img src=x>@example.org", username="=1+1<script>")
    text = admin(host).get(f"/mfa/admin/users/{user}").text
    assert "<img src=x>" not in text
    assert "<script>" not in text.replace('<script type="module"', "")


# What can be done


@pytest.mark.check("M04", "N01", "N08")
def test_a_reset_needs_a_reason_and_is_told_and_recorded(host: Host, ada: int) -> None:
    person = admin(host)
    assert do(person, ada, "reset", what="some", factors="otp", reason=" ") == 400
    assert "Say why" in person.text
    assert do(person, ada, "reset", what="some", reason="no factor ticked") == 400
    assert do(person, ada, "reset", what="some", factors="otp", reason="lost the phone") == 303
    assert "otp" not in {
        row["kind"] for row in host.rows("mfa_credential") if row["user_key"] == "1"
    }
    row = [row for row in host.rows("mfa_event") if row["type"] == "factor_reset"][-1]
    assert row["actor"] == "admin:2"
    assert json.loads(row["detail"]) == {"factors": ["otp"], "reason": "lost the phone"}
    assert "reset" in host.mails()[-1].subject
    assert host.mails()[-1].to == "ada@example.org"


@pytest.mark.check("M04", "N04")
def test_a_reset_of_everything_leaves_nothing_and_ends_the_sessions(host: Host, ada: int) -> None:
    reader = Person(host)
    reader.sign_in()
    reader.follow()
    reader.code(host.otp(ada))
    assert reader.signed_in()
    assert do(admin(host), ada, "reset", what="all", reason="stolen laptop") == 303
    assert not reader.signed_in()
    assert {row["user_key"] for row in host.rows("mfa_credential")} == {"2"}


def test_a_locked_user_is_let_in_again(host: Host, ada: int) -> None:
    for _ in range(2):
        guesser = Person(host)
        guesser.sign_in()
        guesser.get("/mfa/challenge/otp")
        for _ in range(5):
            guesser.code("000000")
    person = admin(host)
    assert "Locked" in person.get(f"/mfa/admin/users/{ada}").text
    assert do(person, ada, "unlock") == 303
    assert "unlocked" in host.events(ada)
    reader = Person(host)
    reader.sign_in()
    reader.get("/mfa/challenge/otp")
    reader.code(host.otp(ada))
    assert reader.signed_in()


def test_what_is_demanded_is_set_up_at_the_next_sign_in_or_taken_back(host: Host) -> None:
    user = host.user(phone=PHONE)
    host.enroll(user, "otp")
    person = admin(host)
    assert do(person, user, "demand", factor="sms") == 303
    assert "Must be set up at the next sign-in: Text message" in person.follow().text
    reader = Person(host)
    reader.sign_in()
    reader.follow()
    reader.code(host.otp(user))
    assert reader.follow().request.path == "/mfa/enroll/sms"
    assert do(person, user, "withdraw", factor="sms") == 303
    assert host.rows("mfa_user")[0]["must_set_up"] == ""


@pytest.mark.check("M02")
@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("reset", {"what": "all", "reason": "x"}),
        ("remove", {"factor": "otp", "reason": "x"}),
        ("demand", {"factor": "email"}),
        ("unlock", {}),
        ("void-codes", {}),
        ("forget-devices", {}),
        ("end-sessions", {}),
    ],
)
def test_neither_oneself_nor_another_admin_is_changed_here(
    host: Host, action: str, fields: dict[str, str]
) -> None:
    person = admin(host)
    other = host.user("other-boss@example.org")
    host.enroll(other, "otp")
    for key in (1, other):
        before = host.rows("mfa_credential"), host.rows("mfa_user")
        assert do(person, key, action, **fields) == 403
        assert (host.rows("mfa_credential"), host.rows("mfa_user")) == before


@pytest.mark.check("N06")
@pytest.mark.parametrize(
    ("action", "field"), [("end-session", "session"), ("forget-device", "device")]
)
def test_what_is_another_user_s_is_not_there(host: Host, ada: int, action: str, field: str) -> None:
    person = admin(host)
    mine = host.rows("mfa_session")[0]["id"]
    assert do(person, ada, action, **{field: mine}) == 404
    assert person.get("/mfa/admin").status_code == 200


@pytest.mark.check("H01")
def test_nothing_is_done_without_the_token_of_the_form(make_host: Make) -> None:
    host = make_host(WTF_CSRF_ENABLED=True)
    host.mfa.is_admin(lambda user: user.email == BOSS)
    user = host.user()
    host.enroll(user, "otp")
    person = admin(host)
    person.page = None
    fields = {"what": "all", "reason": "x"}
    assert person.post(f"/mfa/admin/users/{user}/reset", fields).status_code == 400
    assert len(host.rows("mfa_credential")) == 2


# Clients


def test_a_client_is_previewed_saved_and_obeyed(host: Host, ada: int) -> None:
    person = admin(host)
    person.get("/mfa/admin/clients/new")
    fields = {"client_id": "vault", "name": "Vault", "enabled": "1", "sms_mfa_is_required": "on"}
    text = person.post("/mfa/admin/clients/new", {**fields, "preview": "1"}).text
    assert "prove (otp, sms, email)" in text
    assert "prove (sms)" in text
    assert host.rows("mfa_client") == []
    assert person.post("/mfa/admin/clients/new", fields).status_code == 303
    assert [row["id"] for row in host.rows("mfa_client")] == ["vault"]
    changed = [row for row in host.rows("mfa_event") if row["type"] == "client_changed"]
    assert [(row["client"], row["actor"]) for row in changed] == [("vault", "admin:2")]


def test_what_is_wrong_with_a_client_stands_at_its_field(host: Host) -> None:
    person = admin(host)
    person.get("/mfa/admin/clients/new")
    fields = {
        "name": "Vault",
        "redirect_uris": "http://example.org/*",
        "mfa_remember_device_days": "never",
        "otp_mfa_is_required": "on",
    }
    response = person.post("/mfa/admin/clients/new", fields)
    assert response.status_code == 400
    assert 'id="redirect_uris-error"' in person.text
    assert 'id="mfa_remember_device_days-error"' in person.text
    assert 'value="never"' in person.text, "what was typed is still there"
    assert host.rows("mfa_client") == []


def test_a_secret_is_shown_once(host: Host) -> None:
    person = admin(host)
    person.get("/mfa/admin/clients/new")
    person.post("/mfa/admin/clients/new", {"client_id": "vault", "name": "V", "enabled": "1"})
    person.get("/mfa/admin/clients/vault")
    person.post("/mfa/admin/clients/vault", {"secret": "1"})
    found = re.search(r'id="mfa-secret"[^>]*>([^<]+)<', person.text)
    assert found is not None
    assert found.group(1) not in person.get("/mfa/admin/clients/vault").text
    assert found.group(1) not in json.dumps([str(row) for row in host.rows("mfa_client_secret")])


def test_a_client_of_the_code_is_shown_and_not_changed(make_host: Make) -> None:
    host = make_host(MFA_CLIENTS={"shop": {"OTP_MFA_IS_REQUIRED": True}})
    host.mfa.is_admin(lambda user: user.email == BOSS)
    person = admin(host)
    assert "declared in the app" in person.get("/mfa/admin/clients/shop").text
    response = person.post("/mfa/admin/clients/shop", {"name": "x", "enabled": "1"})
    assert response.status_code == 403


# The record


@pytest.mark.check("C08", "H09")
def test_the_export_is_safe_for_spreadsheets(host: Host) -> None:
    host.enroll(host.user(), "otp")
    evil = Person(host)
    evil.client.environ_base["HTTP_USER_AGENT"] = '=cmd|"/c calc"!A1\x1b[31m'
    evil.sign_in()
    person = admin(host)
    text = person.get("/mfa/admin/events/export.csv").text
    rows = list(csv.DictReader(io.StringIO(text)))
    agents = [row["user_agent"] for row in rows if "cmd" in row["user_agent"]]
    assert agents and all(agent.startswith("'=cmd") for agent in agents)
    assert "\x1b" not in text
    lines = person.get("/mfa/admin/events/export.jsonl").text.splitlines()
    assert {json.loads(line)["type"] for line in lines} >= {"challenge_started", "signed_in"}


@pytest.mark.check("H09")
@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "|x", "%x"])
def test_no_cell_begins_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.reference(347, 348, 353, 356, 357, 362)
def test_events_are_filtered_and_paged_newest_first(host: Host, ada: int) -> None:
    person = admin(host)
    for _ in range(60):
        person.get(f"/mfa/admin/users/{ada}")
    text = person.get("/mfa/admin/events?type=admin_viewed_user").text
    assert text.count("<code>admin_viewed_user</code>") == 50
    assert "Next page" in text
    assert "signed_in</code>" not in text
    text = person.get(f"/mfa/admin/events?user={ada}&type=signed_in").text
    assert "Nothing yet" in text


@pytest.mark.reference(346)
def test_settings_are_shown_with_their_source_and_no_secret(host: Host) -> None:
    text = admin(host).get("/mfa/admin/settings").text
    assert "ENABLE_RECOVERY_CODE" in text
    assert host.app.config["SECRET_KEY"] not in text


def test_charts_are_drawn_without_script_or_style_and_stand_as_numbers_too(
    host: Host, ada: int
) -> None:
    person = admin(host)
    text = person.get("/mfa/admin").text
    assert '<rect class="mfa-series-0"' in text
    assert " style=" not in text
    assert '<th scope="row">Right codes</th><td class="mfa-number">1</td>' in text


@pytest.mark.parametrize("most", [0, 1, 4, 5, 9, 41, 1000, 123_456])
def test_the_marks_of_a_chart_reach_its_highest_bar(most: int) -> None:
    marks = charts.steps(most)
    assert marks[-1] >= most
    assert len(marks) == 5
    assert marks[-1] <= max(4, 2.5 * most)
