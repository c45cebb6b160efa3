"""Clients: whose gate a view has, and what a change of one does to who is signed in already."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Blueprint
from flask_login import login_required
from sqlalchemy import text

from flask_melody_mfa import mfa_required
from flask_melody_mfa.core.clients import OPERATOR
from flask_melody_mfa.core.errors import InvalidClient, UnknownClient
from flask_melody_mfa.flows import clients
from flask_melody_mfa.store import clients as store
from flask_melody_mfa.testing import assert_requires_mfa
from flask_melody_mfa.web.state import context, state
from tests.backend import change_client, make_client, statements
from tests.host import Host, Person, totp

Make = Callable[..., Host]
LAX = {"ENFORCE_ONE_MFA_ENROLLMENT": []}
STRICT = {"billing": {"OTP_MFA_IS_REQUIRED": True}}


def with_views(host: Host, client: str = "billing") -> None:
    """Views of a client, beside the host's own."""
    app = host.app

    @app.route("/billing")
    @mfa_required(client=client)
    def billing() -> str:
        return "billing"

    @app.route("/billing/fresh")
    @mfa_required(client=client, max_age=300)
    def billing_fresh() -> str:
        return "fresh billing"


def signed_in(host: Host, *, email: str = "ada@example.org") -> Person:
    """A person for whom the app's own gate asks nothing more."""
    person = Person(host)
    person.sign_in(email)
    assert person.signed_in()
    return person


# Whose gate


@pytest.mark.check("P12", "E11")
@pytest.mark.parametrize("stored", [False, True], ids=["in code", "in the database"])
@pytest.mark.reference(5, 6, 176)
def test_a_session_of_a_lax_app_is_asked_for_what_a_strict_client_misses(
    make_host: Make, stored: bool
) -> None:
    host = make_host(**LAX, **({} if stored else {"MFA_CLIENTS": STRICT}))
    with_views(host)
    if stored:
        make_client(host, client_id="billing", otp_mfa_is_required=True)
    host.user()
    person = signed_in(host)
    assert_requires_mfa(person.client, "/billing")
    person.get("/billing")
    person.follow()
    assert person.at == "/mfa/enroll/otp"
    secret = person.secret()
    person.code(totp(secret))
    assert person.at == "/billing", "it comes back to where it was going"
    assert person.follow().text == "billing"
    assert person.signed_in(), "and the lax views stay open"


@pytest.mark.check("P12")
def test_a_strict_client_asks_only_for_what_is_missing(make_host: Make) -> None:
    """Email was proven at the app's gate; the client wants email and the authenticator."""
    both = {"EMAIL_MFA_IS_REQUIRED": True, "OTP_MFA_IS_REQUIRED": True}
    host = make_host(EMAIL_MFA_IS_REQUIRED=True, MFA_CLIENTS={"billing": both})
    with_views(host)
    ada = host.user()
    host.enroll(ada, "email", "otp")
    person = Person(host)
    person.sign_in()
    person.follow()
    person.code(host.last_code())
    assert person.signed_in()
    mails = len(host.mails())
    person.get("/billing")
    person.follow()
    assert person.at == "/mfa/challenge/otp"
    person.code(host.otp(ada))
    assert person.follow().text == "billing"
    assert len(host.mails()) == mails, "the email was not asked for again"


@pytest.mark.check("P12")
def test_a_session_that_owes_the_app_is_asked_for_its_clients_gate_alone(make_host: Make) -> None:
    """Email is the app's, the authenticator a client's; a third client asks for nothing."""
    host = make_host(
        EMAIL_MFA_IS_REQUIRED=True,
        MFA_CLIENTS={**STRICT, "open": {"ENFORCE_ONE_MFA_ENROLLMENT": []}},
    )
    with_views(host)
    ada = host.user()
    host.enroll(ada, "otp")

    @host.app.route("/enter", methods=["POST"])
    def enter() -> Any:
        return host.mfa.sign_in(host.get(ada), client="open", next_url="/billing")

    person = Person(host)
    person.post("/enter")
    person.follow()
    assert person.at == "/mfa/challenge/otp", "not the email that the app's gate wants"
    assert host.mails() == []
    person.code(host.otp(ada))
    assert person.follow().text == "billing"
    assert_requires_mfa(person.client, "/secret")
    person.get("/billing")
    assert person.page is not None and person.page.text == "billing", "still open"


@pytest.mark.check("P12", "E11")
@pytest.mark.parametrize("asked", ["billing", "open", "nobody", "", "x" * 300])
def test_the_client_in_the_challenges_address_opens_nothing(make_host: Make, asked: str) -> None:
    """Whoever names a lax client there is still asked by the view that he enters."""
    host = make_host(
        OTP_MFA_IS_REQUIRED=True,
        MFA_CLIENTS={**STRICT, "open": {"ENFORCE_ONE_MFA_ENROLLMENT": []}},
    )
    with_views(host)
    ada = host.user()
    host.enroll(ada, "otp")
    person = Person(host)
    person.sign_in()
    person.get(f"/mfa/challenge?client={asked}&next=/billing")
    person.follow()
    assert not person.signed_in()
    assert_requires_mfa(person.client, "/billing")


@pytest.mark.check("P12")
def test_a_running_challenge_governs_its_own_pages_only(make_host: Make) -> None:
    """Asked for the authenticator at one gate, one may turn to another that wants an SMS code."""
    host = make_host(**LAX, MFA_CLIENTS={**STRICT, "desk": {"SMS_MFA_IS_REQUIRED": True}})
    with_views(host)

    @host.app.route("/desk")
    @mfa_required(client="desk")
    def desk() -> str:
        return "desk"

    ada = host.user()
    host.enroll(ada, "otp", "sms", "email")
    person = Person(host)
    person.sign_in()
    person.follow()
    person.get("/mfa/challenge/email")
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code())
    assert person.signed_in()
    person.get("/billing")
    person.follow()
    assert person.at == "/mfa/challenge/otp"
    person.get("/desk")
    person.follow()
    assert person.at == "/mfa/challenge/sms", "not the authenticator that the other gate wants"
    person.post("/mfa/challenge/sms/send")
    person.follow()
    person.code(host.last_code())
    assert person.follow().text == "desk"
    person.get("/billing")
    person.follow()
    assert person.at == "/mfa/challenge/otp"
    person.get("/billing")
    person.follow()
    person.code(host.otp(ada))
    assert person.follow().text == "billing"


def test_the_views_own_client_comes_before_its_blueprints(make_host: Make) -> None:
    host = make_host(**LAX, MFA_CLIENTS={**STRICT, "open": {"ENFORCE_ONE_MFA_ENROLLMENT": []}})
    pages = Blueprint("pages", __name__)

    @pages.route("/own")
    @mfa_required(client="open")
    def own() -> str:
        return "own"

    @pages.route("/theirs")
    def theirs() -> str:
        return "theirs"

    host.mfa.required_for(pages, client="billing")
    host.app.register_blueprint(pages)
    host.user()
    person = signed_in(host)
    assert person.get("/own").text == "own"
    assert_requires_mfa(person.client, "/theirs")


def test_the_hook_decides_by_request_and_account_where_no_view_does(make_host: Make) -> None:
    host = make_host(**LAX, MFA_CLIENTS={**STRICT, "open": {"ENFORCE_ONE_MFA_ENROLLMENT": []}})
    with_views(host, client="open")
    asked: list[Any] = []

    @host.mfa.client_for
    def client_for(request: Any, account: Any) -> str | None:
        asked.append((request.path, account.email if account else None))
        return "billing" if account and account.email.startswith("ada") else None

    host.user()
    host.user("bob@example.org")
    person = Person(host)
    person.sign_in()
    assert not person.signed_in(), "the hook's client is asked for at the sign-in already"
    assert ("/login", "ada@example.org") in asked
    other = signed_in(host, email="bob@example.org")
    assert ("/secret", "bob@example.org") in asked
    asked.clear()
    assert other.get("/billing").text == "billing"
    assert asked == [], "the view's own client comes first"


@pytest.mark.check("E11", "F14")
@pytest.mark.parametrize("answer", [RuntimeError("no"), 7, "nobody"])
def test_a_hook_that_fails_or_names_nobody_closes(
    make_host: Make, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_host(**LAX)
    host.user()
    person = signed_in(host)

    @host.mfa.client_for
    def client_for(request: Any, account: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert person.get("/secret").status_code == 503
    assert person.client.get("/api", headers={"Accept": "application/json"}).status_code == 503
    fresh = Person(host)
    assert fresh.sign_in().status_code == 503
    assert not fresh.signed_in()


@pytest.mark.check("E11")
def test_a_view_of_an_unknown_client_is_closed_with_a_line_in_the_log(
    make_host: Make, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_host(**LAX)
    with_views(host, client="nobody")
    host.user()
    person = signed_in(host)
    with caplog.at_level(logging.ERROR, "flask_melody_mfa"):
        assert person.get("/billing").status_code == 503
    assert "There is no MFA client 'nobody'" in caplog.text
    assert person.signed_in(), "other views are not touched"


@pytest.mark.check("E01", "P12")
def test_a_user_of_the_request_loader_meets_the_gate_of_the_views_client(make_host: Make) -> None:
    """Also where a decorator hides the view's requirement from the guard."""
    host = make_host(**LAX, MFA_CLIENTS=STRICT)
    with_views(host)
    ada = host.user()

    @host.login_manager.request_loader
    def load(request: Any) -> Any:
        return host.get(ada) if request.headers.get("X-Key") == "yes" else None

    def hiding(view: Any) -> Any:
        return lambda **values: view(**values)

    host.app.add_url_rule(
        "/hidden", "hidden", hiding(mfa_required(client="billing")(lambda: "hidden"))
    )
    http = host.app.test_client()
    headers = {"X-Key": "yes", "Accept": "application/json"}
    assert http.get("/api", headers=headers).status_code == 200
    assert http.get("/billing", headers=headers).status_code == 401
    assert http.get("/hidden", headers=headers).status_code == 401


@pytest.mark.reference(7, 181, 182)
def test_a_client_may_require_what_the_app_does_not(make_host: Make) -> None:
    host = make_host(**LAX, MFA_CLIENTS={"desk": {"SMS_MFA_IS_REQUIRED": True}})
    host.user()
    host.mfa.client_for(lambda request, account: "desk")
    person = Person(host)
    person.sign_in()
    assert not person.signed_in()
    person.follow()
    assert person.at == "/mfa/enroll/sms"


@pytest.mark.reference(8, 9)
@pytest.mark.parametrize("allowed", [True, False])
def test_a_clients_word_on_the_email_backup_beats_the_apps(make_host: Make, allowed: bool) -> None:
    own = {"OTP_MFA_IS_REQUIRED": True, "ALLOW_EMAIL_MFA_AS_BACKUP": allowed}
    host = make_host(ALLOW_EMAIL_MFA_AS_BACKUP=not allowed, MFA_CLIENTS={"billing": own})
    host.enroll(host.user(), "otp")
    host.mfa.client_for(lambda request, account: "billing")
    person = Person(host)
    person.sign_in()
    person.follow()
    assert person.at == "/mfa/challenge/otp"
    assert ("/mfa/challenge/email" in person.text) is allowed
    offered = person.post("/mfa/challenge/email/send")
    assert (len(host.mails()) == 1) is allowed, offered.status_code


@pytest.mark.check("E11", "P12")
def test_a_sign_in_for_a_client_that_there_is_not_signs_nobody_in(make_host: Make) -> None:
    host = make_host(**LAX)
    ada = host.user()

    @host.app.route("/enter", methods=["POST"])
    def enter() -> Any:
        return host.mfa.sign_in(host.get(ada), client="nobody", next_url="/secret")

    person = Person(host)
    assert person.post("/enter").status_code == 503
    assert not person.signed_in()
    with host.app.app_context(), pytest.raises(UnknownClient):
        host.mfa.password_is_enough(host.get(ada), client="nobody")


# What a change does


@pytest.mark.check("E12", "P12")
@pytest.mark.parametrize("recheck", [0, 10])
def test_a_tightened_client_is_felt_in_live_sessions_within_the_re_read_time(
    make_host: Make, sqlite_url: str, recheck: int
) -> None:
    """Two processes: what one changes, the other obeys."""
    settings = {**LAX, "MFA_SESSION_RECHECK_SECONDS": recheck, "SQLALCHEMY_ENGINE_OPTIONS": {}}
    one = make_host(sqlite_url, **settings)
    other = make_host(sqlite_url, create=False, **settings)
    make_client(one, client_id="billing", enforce_one_mfa_enrollment=[])
    for host in (one, other):
        with_views(host)
    one.user()
    person = Person(other)
    person.sign_in()
    with other.clock() as clock:
        assert person.get("/billing").text == "billing"
        clock.tick(recheck / 2)
        change_client(one, "billing", otp_mfa_is_required=True)
        clock.tick(recheck / 2 + 0.001)
        assert_requires_mfa(person.client, "/billing")
        assert person.signed_in(), "the app's own views stay open"
        change_client(one, "billing", otp_mfa_is_required=None)
        clock.tick(recheck + 0.001)
        assert person.get("/billing").text == "billing", "and a loosened one opens again"


def test_a_change_is_felt_at_once_in_the_process_that_made_it(make_host: Make) -> None:
    host = make_host(**LAX)
    make_client(host, client_id="billing", enforce_one_mfa_enrollment=[])
    with_views(host)
    host.user()
    person = signed_in(host)
    assert person.get("/billing").text == "billing"
    change_client(host, "billing", otp_mfa_is_required=True)
    assert_requires_mfa(person.client, "/billing")


@pytest.mark.check("P12", "E11")
def test_a_disabled_client_refuses_and_a_deleted_one_is_closed(make_host: Make) -> None:
    host = make_host(**LAX)
    make_client(host, client_id="billing", enforce_one_mfa_enrollment=[])
    with_views(host)
    host.user()
    person = signed_in(host)
    assert person.get("/billing").text == "billing"
    change_client(host, "billing", enabled=False)
    assert person.get("/billing").status_code == 403
    assert person.get("/billing/fresh").status_code == 403
    change_client(host, "billing", enabled=True)
    assert person.get("/billing").text == "billing"
    with host.app.app_context():
        clients.remove(context(), OPERATOR, "billing")
    assert person.get("/billing").status_code == 503


@pytest.mark.check("P12")
def test_a_client_that_is_disabled_during_its_challenge_lets_nobody_through(
    make_host: Make,
) -> None:
    host = make_host(**LAX)
    make_client(host, client_id="billing", otp_mfa_is_required=True)
    with_views(host)
    ada = host.user()
    host.enroll(ada, "otp")

    @host.app.route("/enter", methods=["POST"])
    def enter() -> Any:
        return host.mfa.sign_in(host.get(ada), client="billing", next_url="/billing")

    person = Person(host)
    person.post("/enter")
    person.follow()
    change_client(host, "billing", enabled=False)
    assert person.post("/mfa/challenge/otp", {"code": host.otp(ada)}).status_code == 403
    assert not person.signed_in()


@pytest.mark.check("E11", "P13")
@pytest.mark.parametrize(
    "broken",
    ['{"otp_mfa_is_required": "perhaps"}', "[1]", "{", '{"nothing_of_ours": true}', "null"],
)
def test_an_override_that_cannot_be_read_closes(
    make_host: Make, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever edits the table by hand opens nothing."""
    host = make_host(**LAX)
    make_client(host, client_id="billing", enforce_one_mfa_enrollment=[])
    with_views(host)
    host.user()
    person = signed_in(host)
    assert person.get("/billing").text == "billing"
    with host.app.app_context():
        host.db.session.execute(text("update mfa_client set overrides = :o"), {"o": broken})
        host.db.session.commit()
        state().clients.drop("billing")
        state().cache.clear()
    with caplog.at_level(logging.ERROR, "flask_melody_mfa"):
        assert person.get("/billing").status_code == 503
    assert "'billing' can" in caplog.text, "the log says which one"
    assert person.signed_in()


# What it costs


@pytest.mark.parametrize("client", [None, "in_code", "stored"])
def test_the_guard_costs_the_same_with_and_without_a_clients_overrides(
    make_host: Make, client: str | None
) -> None:
    """No statement within the re-read time, and one when it is over."""
    host = make_host(**LAX, MFA_CLIENTS={"in_code": {"ENFORCE_ONE_MFA_ENROLLMENT": []}})
    make_client(host, client_id="stored", enforce_one_mfa_enrollment=[])

    @host.app.route("/here")
    @login_required
    def here() -> str:
        return "here"

    host.mfa.client_for(lambda request, account: client)
    host.user()
    person = Person(host)
    with host.clock() as clock:
        person.sign_in()
        assert person.get("/here").text == "here"
        for seconds, expected in ((0, 0), (9.9, 0), (0.2, 1), (9.9, 0), (0.2, 1)):
            clock.tick(seconds)
            with statements(host) as seen:
                assert person.get("/here").text == "here"
            assert len(seen) == expected, seen


# What can be said of a client


@pytest.mark.check("P13")
@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"otp_mfa_is_required": "perhaps"}, "otp_mfa_is_required"),
        ({"enforce_one_mfa_enrollment": ["fax"]}, "enforce_one_mfa_enrollment"),
        ({"enforce_one_mfa_enrollment": ["OTP"]}, "enforce_one_mfa_enrollment"),
        ({"otp_mfa_is_required": True, "use_system_mfa_config": True}, "otp_mfa_is_required"),
        ({"mfa_remember_device_days": 0}, "mfa_remember_device_days"),
        ({"mfa_required_from": "soon"}, "mfa_required_from"),
        ({"blocked_policies": ["reset"]}, "blocked_policies"),
        ({"redirect_uris": ["http://example.org/"]}, "redirect_uris"),
        ({"redirect_uris": ["https://example.org/#x"]}, "redirect_uris"),
        ({"redirect_uris": ["https://a@example.org/"]}, "redirect_uris"),
        ({"redirect_uris": ["https://*.example.org/"]}, "redirect_uris"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "redirect_uris"),
        ({"origins": ["https://example.org/path"]}, "origins"),
        ({"origins": ["null"]}, "origins"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\x00b"}, "name"),
    ],
)
def test_what_cannot_take_effect_is_refused_when_it_is_saved_with_its_reason(
    make_host: Make, said: dict[str, Any], field: str
) -> None:
    host = make_host()
    with host.app.app_context(), pytest.raises(InvalidClient) as caught:
        clients.create(context(), OPERATOR, {"name": "x", **said})
    assert field in caught.value.problems
    assert host.rows("mfa_client") == []


@pytest.mark.check("P13")
def test_a_factor_that_has_no_sender_cannot_be_required_of_a_client(make_host: Make) -> None:
    host = make_host(MFA_MAIL_SENDER=None, ENFORCE_ONE_MFA_ENROLLMENT=["otp"])
    with host.app.app_context(), pytest.raises(InvalidClient) as caught:
        clients.create(context(), OPERATOR, {"name": "x", "email_mfa_is_required": True})
    assert "no sender" in caught.value.problems["email_mfa_is_required"]


@pytest.mark.check("P13")
@pytest.mark.reference(1, 2, 3, 4, 344)
def test_every_effective_value_knows_where_it_came_from(make_host: Make) -> None:
    host = make_host(
        EMAIL_MFA_IS_REQUIRED=True,
        ENABLE_RECOVERY_CODE=True,
        MFA_CLIENTS={"code": {"MFA_ASK_EVERY_ENROLLED": True}},
    )
    make_client(host, client_id="own", enforce_one_mfa_enrollment=["otp"])
    make_client(host, client_id="follows", mfa_remember_device_days=7)
    with host.app.app_context():
        own, follows, code = (state().settings_for(name) for name in ("own", "follows", "code"))
    assert not own.email_mfa_is_required, "an override never inherits a conflicting requirement"
    assert own.source_of("email_mfa_is_required") == "client database"
    assert own.enable_recovery_code and own.source_of("enable_recovery_code") == "app"
    assert own.source_of("mfa_passkey_is_enough") == "default"
    assert follows.email_mfa_is_required and follows.source_of("email_mfa_is_required") == "app"
    assert follows.source_of("mfa_remember_device_days") == "client database"
    assert code.source_of("mfa_ask_every_enrolled") == "client code"


@pytest.mark.check("P13")
def test_what_code_declares_comes_before_the_database(make_host: Make, sqlite_url: str) -> None:
    lax = make_host(sqlite_url)
    make_client(lax, client_id="billing", enforce_one_mfa_enrollment=[])
    strict = make_host(sqlite_url, create=False, MFA_CLIENTS=STRICT)
    with strict.app.app_context():
        assert state().settings_for("billing").otp_mfa_is_required


def test_a_client_is_found_by_its_exact_id_only(make_host: Make, any_database_url: str) -> None:
    host = make_host(any_database_url)
    make_client(host, client_id="billing", enforce_one_mfa_enrollment=[])
    with host.app.app_context():
        assert state().clients.find("billing") is not None
        for other in ("Billing", "billing ", "billing\x00", "bílling", "", "nobody"):
            assert state().clients.find(other) is None
            with pytest.raises(UnknownClient):
                state().settings_for(other)


def test_an_unknown_client_stays_unknown_without_a_query_each_time(make_host: Make) -> None:
    host = make_host()
    with host.app.app_context(), host.clock():
        for expected in (1, 0):
            with statements(host) as seen, pytest.raises(UnknownClient):
                state().settings_for("nobody")
            assert len(seen) == expected


def test_ids_that_are_made_up_fill_no_memory(make_host: Make) -> None:
    host = make_host()
    with host.app.app_context():
        for number in range(20):
            assert state().clients.find(f"made-up-{number}") is None
        assert len(state().clients._known) == 0


def test_a_change_is_recorded_with_its_fields_and_without_their_values(make_host: Make) -> None:
    host = make_host()
    make_client(host, client_id="billing", redirect_uris=["https://example.org/back"])
    change_client(host, "billing", otp_mfa_is_required=True)
    rows = [row for row in host.rows("mfa_event") if row["type"] == "client_changed"]
    assert [json.loads(row["detail"])["action"] for row in rows] == ["created", "changed"]
    assert {row["client"] for row in rows} == {"billing"}
    assert json.loads(rows[1]["detail"])["fields"] == ["otp_mfa_is_required"]
    assert "example.org" not in str(rows)


def test_two_changes_of_one_version_are_one_change_and_one_conflict(make_host: Make) -> None:
    host = make_host()
    make_client(host, client_id="billing")
    with host.app.app_context():
        ctx = context()
        read = clients.read(ctx, "billing")
        results = [
            ctx.store.run(lambda s, n=n: store.change(s, replace(read, name=n), ctx.now))
            for n in ("first", "second")
        ]
        assert results == [True, False]
        assert clients.read(ctx, "billing").name == "first"


def test_the_views_of_two_apps_in_one_process_have_their_own_clients(make_host: Make) -> None:
    hosts = [make_host(**LAX), make_host(**LAX, MFA_CLIENTS=STRICT)]
    for host in hosts:
        with_views(host)
        host.user()
    assert signed_in(hosts[0]).get("/billing").status_code == 503
    assert_requires_mfa(signed_in(hosts[1]).client, "/billing")
