"""Whatever is asked of the database is found by an index: no table is read through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from tests.host import Host, Person, totp

Make = Callable[..., Host]


class Asked:
    """What an app asks of its database, with the plan that SQLite makes for it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.statements: dict[str, Any] = {}
        with host.app.app_context():
            event.listen(host.db.engine, "before_cursor_execute", self.note)

    def note(self, _: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.split()[0] in ("SELECT", "UPDATE", "DELETE"):
            self.statements.setdefault(statement, parameters)

    def read_through(self) -> list[str]:
        """The statements for which a whole table is read, with the table's line of the plan."""
        found = []
        with self.host.app.app_context(), self.host.db.engine.connect() as connection:
            for statement, parameters in list(self.statements.items()):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                found += [f"{row[3]}: {statement}" for row in plan if row[3].startswith("SCAN")]
        return found


def test_a_person_s_way_through_all_pages_is_found_by_indexes(
    make_host: Make, sqlite_url: str
) -> None:
    host = make_host(sqlite_url, ENFORCE_ONE_MFA_ENROLLMENT=["otp", "email", "sms"])
    user_id = host.user()
    asked = Asked(host)
    with host.clock() as clock:
        person = Person(host)
        person.sign_in()
        person.follow()
        person.post("/mfa/enroll", {"factor": "otp"})
        person.follow()
        secret = person.secret()
        person.code("000000")
        person.code(totp(secret, clock))
        person.follow()
        clock.tick(301)
        person.get("/fresh")
        person.follow()
        person.code(totp(secret, clock))
        assert person.get("/fresh").status_code == 200
        person.get("/mfa/account")
        person.get("/logout")
        clock.tick(60)
        person.sign_in()
        person.follow()
        person.post("/mfa/challenge/email/send")
        person.follow()
        person.code("000000")
        person.code(host.last_code())
        assert person.get("/secret").status_code == 200
    with host.app.test_request_context():
        user = host.get(user_id)
        host.mfa.password_changed(user)
        host.mfa.email_changed(user)
        host.mfa.verify(user, "000000")
        host.mfa.password_is_enough(user)
        host.mfa.unlock(user)
        host.mfa.reset(user, ["otp"])
        host.mfa.reset(user)
        host.mfa.erase(user)
    assert len(asked.statements) > 40
    assert asked.read_through() == []


def test_a_login_in_another_case_is_looked_up_by_an_index(make_host: Make, sqlite_url: str) -> None:
    host = make_host(sqlite_url)
    host.user()
    asked = Asked(host)
    with host.app.app_context():
        found = host.app.extensions["melody_mfa"].find_user("ADA@example.ORG")
    assert found is None, "SQLite compares by exact bytes"
    by_email = {text: values for text, values in asked.statements.items() if "user.email =" in text}
    assert by_email
    asked.statements = by_email
    assert asked.read_through() == []
