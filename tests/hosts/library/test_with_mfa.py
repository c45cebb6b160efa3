"""The library with MFA: its open transaction, its own session ids, one `db` for all branches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import inspect

from flask_melody_mfa.testing import MFAClient, enroll, finish_sign_in, freeze

from .app import Book, Loan, Reader, create_app, db
from .test_host import make_reader, sign_in

PAGE = {"Accept": "text/html"}


@pytest.fixture
def app() -> Iterator[Flask]:
    app = create_app("north", True, WTF_CSRF_ENABLED=False)
    with app.app_context():
        db.create_all()
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def number_of(table: str) -> int:
    return len(db.session.execute(db.metadata.tables[table].select()).all())


@pytest.mark.check("F03")
def test_a_sign_in_commits_nothing_of_the_hosts(app: Flask, client: FlaskClient) -> None:
    make_reader(True)
    db.session.add(Book(title="Middlemarch"))
    db.session.flush()
    transaction = db.session().get_transaction()
    sign_in(client)
    assert "Reader L-1" in client.get("/shelf").text
    assert db.session().get_transaction() is transaction
    assert number_of("mfa_session") == 1
    db.session.rollback()
    assert [number_of(name) for name in ("reader", "book", "mfa_session", "mfa_user")] == [0] * 4


@pytest.mark.check("F03")
def test_a_rollback_of_ours_leaves_what_the_host_has_open(app: Flask, client: FlaskClient) -> None:
    reader = make_reader(True)
    client.post("/sign-in", data={"card": "L-1", "pin": "2468"})
    book = Book(title="Middlemarch")
    db.session.add(book)
    db.session.flush()
    for _ in range(2):
        assert client.post("/mfa/challenge/otp", data={"code": "000000"}).status_code == 401
    assert number_of("book") == 1
    assert not inspect(book).expired and not inspect(reader).expired
    db.session.commit()
    assert number_of("book") == 1
    assert number_of("mfa_event") > 0


@pytest.mark.check("F03")
def test_what_the_host_has_not_flushed_stays_unflushed(app: Flask, client: FlaskClient) -> None:
    reader = make_reader(True)
    loans = list(reader.loans)
    with freeze(app) as clock:
        sign_in(client)
        unfinished = Loan(reader_id=None)
        db.session.add(unfinished)
        clock.tick(11)  # so that the guard reads the session anew
        answer = client.get("/mfa/challenge", headers=PAGE)
        assert answer.location == "/"
        assert unfinished in db.session.new
        app.extensions["melody_mfa"].users.find("L-1")
        app.extensions["melody_mfa"].load_user(str(reader.id))
    assert unfinished in db.session.new
    db.session.expunge(unfinished)
    assert reader.loans == loans


def test_the_account_is_known_by_its_primary_key(app: Flask, client: FlaskClient) -> None:
    reader = make_reader(True)
    sign_in(client)
    (row,) = db.session.execute(db.metadata.tables["mfa_session"].select()).all()
    assert row.user_key == str(reader.id)
    reader.change_pin("1357")
    db.session.flush()
    again = sign_in(app.test_client(), pin="1357")
    assert again.location == "/shelf"
    (held,) = db.session.execute(db.metadata.tables["mfa_credential"].select()).all()
    assert held.user_key == str(reader.id)


def test_a_session_id_that_changed_is_nobodys(app: Flask, client: FlaskClient) -> None:
    reader = make_reader(True)
    with freeze(app) as clock:
        sign_in(client)
        reader.change_pin("1357")
        db.session.commit()
        other = another_browser(app)
        other.set_cookie("session", client.get_cookie("session").value)  # type: ignore[union-attr]
        assert other.get("/shelf", headers=PAGE).location.startswith("/sign-in")
        clock.tick(11)
        assert other.get("/shelf", headers=PAGE).location.startswith("/sign-in")


def another_browser(app: Flask) -> FlaskClient:
    """Another browser, in a request that finds nothing of the last one in `g`."""
    g.pop("_login_user", None)
    return app.test_client()


def test_the_testing_client_signs_a_reader_in(app: Flask) -> None:
    reader = make_reader(False)
    app.test_client_class = MFAClient
    assert app.test_client(user=reader, mfa=True).get("/shelf").status_code == 200


@pytest.mark.check("N05")
def test_a_reader_who_is_deleted_is_forgotten_after_the_commit(app: Flask) -> None:
    reader = make_reader(True)
    db.session.commit()
    db.session.delete(reader)
    db.session.flush()
    assert number_of("mfa_credential") == 1
    db.session.rollback()
    assert number_of("mfa_credential") == 1
    db.session.delete(db.session.get(Reader, 1))
    db.session.commit()
    assert [number_of(name) for name in ("mfa_credential", "mfa_user")] == [0, 0]


def test_branches_share_the_db_and_nothing_else() -> None:
    branches: list[Any] = [create_app(name, True) for name in ("east", "west")]
    plain = create_app("south", False)
    for app in (*branches, plain):
        with app.app_context():
            db.create_all()
            reader = make_reader(False)
            db.session.commit()
            if app is branches[0]:
                enroll(reader, "otp")
    east, west = (app.test_client() for app in branches)
    answers = [c.post("/sign-in", data={"card": "L-1", "pin": "2468"}) for c in (east, west)]
    pages = [
        client.get(answer.location, headers=PAGE, follow_redirects=True).request.path
        for client, answer in zip((east, west), answers, strict=True)
    ]
    assert pages == ["/mfa/challenge/otp", "/mfa/enroll/otp"]
    finish_sign_in(east, answers[0])
    west.set_cookie("session", east.get_cookie("session").value)  # type: ignore[union-attr]
    assert east.get("/shelf").status_code == 200
    assert west.get("/shelf", headers=PAGE).status_code == 302
    assert sign_in(plain.test_client()).location == "/shelf"
    with plain.app_context():
        db.session.delete(db.session.get(Reader, 1))
        db.session.commit()
    for app in (*branches, plain):
        with app.app_context():
            db.engine.dispose()
