"""The library's tests. Every test's rows live in a transaction that is never committed."""

import pytest
from flask import g

from flask_melody_mfa.testing import enroll, finish_sign_in  # MFA

from .app import Book, Reader, create_app, db


@pytest.fixture
def app(with_mfa):
    app = create_app("north", with_mfa)
    with app.app_context():
        db.create_all()
        yield app
        db.session.rollback()
        left = [db.session.query(model).count() for model in (Reader, Book)]
        db.session.remove()
        db.engine.dispose()
    assert left == [0, 0], "something was committed"


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def reader(app, with_mfa):
    return make_reader(with_mfa)


@pytest.fixture
def books(app):
    books = [Book(title="Middlemarch"), Book(title="Ada, or Ardor", copies=0)]
    db.session.add_all(books)
    db.session.flush()
    return books


def make_reader(with_mfa, card="L-1", **more):
    reader = Reader(card=card, pin="2468", name=f"Reader {card}", **more)
    db.session.add(reader)
    db.session.flush()
    with_mfa and enroll(reader, "otp")  # MFA
    return reader


def sign_in(client, card="L-1", pin="2468"):
    answer = client.post("/sign-in", data={"card": card, "pin": pin})
    answer = finish_sign_in(client, answer)  # MFA
    return answer


def next_person_at_the_desk():
    """Flask-Login keeps the user in `g`, and all of a test runs in one application context."""
    g.pop("_login_user", None)


def test_catalogue(client, books):
    assert client.get("/").json == {"branch": "north", "titles": ["Ada, or Ardor", "Middlemarch"]}


def test_sign_in(client, reader):
    assert sign_in(client).location == "/shelf"
    page = client.get("/shelf").text
    assert "Reader L-1" in page
    assert "Nothing borrowed" in page


def test_wrong_pin(client, reader):
    assert sign_in(client, pin="1357").status_code == 403
    assert client.get("/shelf").location.startswith("/sign-in")


def test_suspended(client, app, with_mfa):
    make_reader(with_mfa, suspended=True)
    answer = sign_in(client)
    assert answer.status_code == 403
    assert "come to the desk" in answer.text


def test_sign_out(client, reader):
    sign_in(client)
    client.post("/sign-out")
    assert client.get("/shelf").location.startswith("/sign-in")


def test_borrow(client, reader, books):
    sign_in(client)
    assert client.post(f"/borrow/{books[0].id}").location == "/shelf"
    assert "Middlemarch" in client.get("/shelf").text
    assert books[0].copies == 0
    assert client.post(f"/borrow/{books[1].id}").status_code == 409
    assert [loan.book for loan in reader.loans] == [books[0]]


def test_the_session_holds_no_primary_key(client, reader):
    sign_in(client)
    with client.session_transaction() as session:
        assert session["_user_id"] == reader.session_id != str(reader.id)


def test_a_new_pin_ends_the_session(client, reader):
    sign_in(client)
    client.post("/pin", data={"pin": "0001"})
    next_person_at_the_desk()
    assert client.get("/shelf").location.startswith("/sign-in")
    assert sign_in(client).status_code == 403
    assert sign_in(client, pin="0001").location == "/shelf"


def test_two_branches(with_mfa):
    branches = [create_app(name, with_mfa) for name in ("east", "west")]
    for number, app in enumerate(branches):
        with app.app_context():
            db.create_all()
            make_reader(with_mfa, card=f"L-{number}")
            db.session.commit()
    for number, app in enumerate(branches):
        client = app.test_client()
        assert sign_in(client, card=f"L-{1 - number}").status_code == 403
        assert sign_in(client, card=f"L-{number}").location == "/shelf"
        assert f"<title>{app.config['BRANCH']}</title>" in client.get("/shelf").text
    for app in branches:
        with app.app_context():
            db.engine.dispose()
