"""People with passkeys, in a browser without JavaScript: they post what the script would."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse

from tests.authenticator import HONEST, Passkey, Ways
from tests.host import Host, Person

SCRIPT = {"Sec-Fetch-Dest": "empty", "Accept": "application/json"}

PROMPT = "/mfa/enroll/passkey"
CHALLENGE = "/mfa/challenge/passkey"
OPTIONS, VERIFY, KNOWN = "/mfa/passkey/options", "/mfa/passkey/verify", "/mfa/passkey/known"


class Holder(Person):
    """Somebody with a browser and passkeys."""

    def call(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Post JSON as the script does."""
        return self.client.post(
            path, json={} if body is None else body, headers={**SCRIPT, **headers}
        )

    def options(self, path: str, **body: Any) -> dict[str, Any]:
        """Begin a ceremony."""
        response = self.call(path, body)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.get_json()
        return found

    def make(
        self, passkey: Passkey, ways: Ways = HONEST, *, name: str = "", automatic: bool = False
    ) -> TestResponse:
        """Make a passkey on the page of the prompt."""
        options = self.options(f"{PROMPT}/options", automatic=automatic)
        return self.call(PROMPT, {"credential": passkey.create(options, ways), "name": name})

    def prove(self, passkey: Passkey, ways: Ways = HONEST, **body: Any) -> TestResponse:
        """Prove a passkey in the running challenge."""
        options = self.options(f"{CHALLENGE}/options")
        return self.call(CHALLENGE, {"credential": passkey.get(options, ways), **body})

    def enter(self, passkey: Passkey, ways: Ways = HONEST, **body: Any) -> TestResponse:
        """Sign in by a passkey alone."""
        options = self.options(OPTIONS)
        return self.call(VERIFY, {"credential": passkey.get(options, ways), **body})

    def go(self, response: TestResponse) -> TestResponse:
        """Go where a script was told to, as far as it leads."""
        self.get(response.get_json()["next"])
        return self.follow()


def holder(
    host: Host,
    passkey: Passkey | None = None,
    email: str = "ada@example.org",
    **values: Any,
) -> tuple[int, Passkey]:
    """A user who holds a passkey, and the passkey; nobody is signed in."""
    user = host.user(email, **values)
    passkey = Passkey() if passkey is None else passkey
    person = Holder(host)
    person.sign_in(email)
    person.follow()
    answer = person.make(passkey)
    assert answer.status_code == 200, answer.text
    host.sent.clear()
    return user, passkey


def row(host: Host, passkey: Passkey) -> Any:
    """The row of a passkey."""
    from tests.authenticator import text

    found = [one for one in host.rows("mfa_passkey") if one["credential_id"] == text(passkey.id)]
    assert len(found) == 1
    return found[0]
