"""Text that databases choke on, in every field that takes text (F12, F13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask_login import UserMixin
from sqlalchemy import String, text
from sqlalchemy.orm import Mapped, mapped_column

from flask_melody_mfa.core import otp
from flask_melody_mfa.core.errors import InvalidRequest, Unavailable
from flask_melody_mfa.testing import enroll
from flask_melody_mfa.web.state import context
from tests.databases import Kind
from tests.faults.people import arrived, inside, one, rows_of, somebody, visitor
from tests.host import Host, Person, totp

Make = Callable[..., Host]

NASTY = {
    "nul": "a\x00b",
    "emoji": "\U0001f511" * 20,
    "long": "x" * 5000,
    "controls": "a\r\nb\x1b[31m\u2028",
    "bidi": "\u202eabc\u2066",
    "not-a-character": "\ufffe\U0010ffff",
    "quotes": "'; DROP TABLE mfa_user; -- \\' \" %s {0} :x",
    "blank": " \t ",
}

BYTES = {"lone-surrogate": b"%ED%A0%80", "broken-utf8": b"%ff%fe%c3%28", "nul": b"%00"}

FIELDS = {
    "/mfa/challenge/otp": ["code", "next", "factor"],
    "/mfa/challenge/sms/send": ["next"],
    "/mfa/enroll": ["factor", "later", "next"],
    "/mfa/enroll/otp": ["code", "name", "next"],
    "/mfa/enroll/sms": ["phone_number", "code", "next"],
    "/mfa/enroll/email": ["code"],
    "/mfa/locale": ["locale", "next"],
    "/mfa/challenge/cancel": ["next"],
}


@pytest.fixture
def host(any_database_url: str, make_host: Make) -> Host:
    """A plain host on each database."""
    return make_host(any_database_url, MFA_MAIL_SENDER="mfa@example.org")


def newcomer(host: Host) -> Person:
    """Somebody who must set something up."""
    return arrived(host, somebody(host)[1])


@pytest.mark.check("F12", "T08")
def test_no_field_of_a_page_makes_more_than_a_400_of_it(host: Host) -> None:
    user, email = somebody(host, "otp")
    for path, names in FIELDS.items():
        person = newcomer(host) if "enroll" in path else arrived(host, email)
        for name in names:
            for value in NASTY.values():
                answer = person.post(path, {name: value})
                assert answer.status_code in (302, 303, 400, 401, 413), (path, name, value[:9])
            for raw in BYTES.values():
                body = name.encode() + b"=" + raw
                kind = "application/x-www-form-urlencoded"
                answer = person.client.post(path, data=body, content_type=kind)
                assert answer.status_code in (302, 303, 400, 401, 413), (path, name, raw)
            if "challenge" in path:
                person = arrived(host, email)
    assert host.rows("mfa_session") == []
    assert one(rows_of(host, "mfa_user", user))["failures"] == 0, "malformed is not a guess"


@pytest.mark.check("F12")
def test_no_address_or_header_makes_more_of_it(host: Host) -> None:
    user, email = somebody(host, "otp")
    member = inside(host, email, user)
    for value in (*NASTY.values(), "\ud800"):
        raw = quote(value.encode("utf-8", "surrogatepass"))
        for path in (f"/mfa/challenge?next={raw}&client={raw}", f"/mfa/enroll?next={raw}"):
            assert member.get(path).status_code < 500
    for value in ("\xff\xfe" * 50, "\U0001f511".encode().decode("latin-1"), "x" * 5000, ""):
        person = visitor(host)
        person.client.environ_base["HTTP_USER_AGENT"] = value
        person.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = value
        person.sign_in(email)
        with host.clock() as clock:
            clock.tick(30 * len(host.rows("mfa_session")))
            person.post("/mfa/challenge/otp", {"code": host.otp(user)})
            assert person.signed_in()
    person = visitor(host)
    for cookie in ("x" * 4000, "\xff", ".eJw", "eyJfbWZhIjp7ImMiOiJ4In19.x.y"):
        person.client.set_cookie("session", cookie)
        assert person.get("/secret").status_code < 500


@pytest.mark.check("F12")
def test_what_is_a_name_is_kept_as_it_was_typed(host: Host) -> None:
    names = ["\U0001f511 my phone", "téléphone", "手机", "a'b\"c%s"]
    for name in names:
        user, email = somebody(host)
        person = arrived(host, email)
        person.get("/mfa/enroll/otp")
        with host.clock() as clock:
            code = totp(person.secret(), clock)
            assert person.post("/mfa/enroll/otp", {"code": code, "name": name}).status_code == 303
        assert one(rows_of(host, "mfa_credential", user))["name"] == name


@pytest.mark.check("F12", "T08", "T06")
def test_what_the_host_hands_over_is_looked_at_too(host: Host) -> None:
    user, _ = somebody(host, "otp")
    with host.app.app_context():
        found = host.get(user)
        for code in ("１２３４５６", "\ud800", "12\x0034", "x" * 5000, "", 123456, None):
            with pytest.raises(InvalidRequest):
                host.mfa.verify(found, code)  # type: ignore[arg-type]
        for secret in ("\ud800", "0189", "a\x00", "A" * 5000, b"short"):
            with pytest.raises(InvalidRequest):
                host.mfa.adopt_otp(found, secret)
        for name in ("\ud800", "a\x00", "x" * 65, "x" * 5000):
            with pytest.raises(InvalidRequest):
                host.mfa.adopt_otp(found, otp.new_secret(), name=name)
        host.mfa.adopt_otp(found, otp.new_secret(), name="\U0001f511" * 64)
    assert one(rows_of(host, "mfa_user", user))["failures"] == 0
    assert len(rows_of(host, "mfa_credential", user)) == 2


class ByName(Host):
    """A host whose users are known by a name, as long as it may be."""

    def __init__(self, url: str, **config: Any) -> None:
        super().__init__(url, create=False, **config)
        db = self.db

        class Member(UserMixin, db.Model):  # type: ignore[name-defined,misc]
            __table_args__ = {  # noqa: RUF012
                "mysql_collate": "utf8mb4_nopad_bin",
                "mariadb_collate": "utf8mb4_nopad_bin",
            }
            name: Mapped[str] = mapped_column(String(120), primary_key=True)

            def get_id(self) -> str:
                return self.name

        self.Member = Member
        self.app.extensions["melody_mfa"].users._given = Member
        with self.app.app_context():
            db.create_all()

    def member(self, name: str) -> Any:
        """A new member, in the current app context."""
        made = self.Member(name=name)
        self.db.session.add(made)
        self.db.session.commit()
        return made


ALIKE = ["ada", "Ada", "ADA", "ada ", "adä", "ada\u200b", "ａｄａ"]


@pytest.mark.check("F13", "L04")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mysql", "mariadb"])
def test_keys_that_look_alike_are_different_accounts(
    new_database: Callable[[Kind], str], kind: str
) -> None:
    url = new_database("mariadb" if kind == "mysql" else kind)  # type: ignore[arg-type]
    if kind == "mariadb":
        url = url.replace("mysql+", "mariadb+")
    host = ByName(url)
    try:
        with host.app.app_context():
            members = [host.member(name) for name in ALIKE]
            enroll(members[0], "otp")
            for member in members[1:]:
                try:
                    enough = host.mfa.verify(member, "000000")
                except Unavailable:
                    # MySQL's own collation takes "ada " for "ada": nobody is lent anything.
                    assert (kind, member.name) == ("mysql", "ada ")
                    continue
                assert enough is False
                enroll(member, "email", destination="a@example.org")
            keys = [row["user_key"] for row in host.rows("mfa_credential")]
            expected = [name for name in ALIKE if (kind, name) != ("mysql", "ada ")]
            assert sorted(keys) == sorted(expected)
            assert host.mfa.verify(members[0], "000000") is False
            failures = {row["user_key"]: row["failures"] for row in host.rows("mfa_user")}
            assert failures.pop("ada") == 1
            assert set(failures.values()) <= {0}
    finally:
        with host.app.app_context():
            host.db.session.remove()
            host.db.engine.dispose()


@pytest.mark.check("F13")
@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
def test_on_mariadb_our_text_is_compared_by_exact_bytes(
    mariadb_url: str, make_host: Make, scheme: str
) -> None:
    host = make_host(mariadb_url.replace("mysql+", f"{scheme}+"))
    user, email = somebody(host, "otp")
    arrived(host, email)
    assert one(rows_of(host, "mfa_user", user))
    with host.app.app_context():
        collations = host.db.session.scalars(
            text(
                "SELECT DISTINCT table_collation FROM information_schema.tables "
                "WHERE table_schema = DATABASE() AND table_name LIKE 'mfa\\_%'"
            )
        ).all()
        assert len(collations) == 1
        assert collations[0].endswith("_bin")
        ctx = context()
        token = one(rows_of(host, "mfa_challenge", user))["token_hash"]
        challenges = host.db.metadata.tables["mfa_challenge"]
        for other in (token.upper(), token[:-1], token + "0"):
            if other != token:
                query = challenges.select().where(challenges.c.token_hash == other)
                assert host.db.session.execute(query).first() is None
        assert ctx.vault.token_hash("a") != ctx.vault.token_hash("A")
