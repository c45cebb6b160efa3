"""What this process knows of clients: read anew when it is older than the re-read time."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from flask_melody_mfa.core.clients import Client, from_code
from flask_melody_mfa.core.errors import MfaError, UnknownClient
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import Instant
from flask_melody_mfa.flows.clients import Resolved, effective

log = logging.getLogger("flask_melody_mfa")

KEPT_CLIENTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A client as it was read; what it resolves to, or why it is closed."""

    read_at: Instant
    client: Client | None
    resolved: Resolved | None
    refusal: MfaError | None


class Clients:
    """Resolves client ids for one app.

    `stored(id)` reads the database. What cannot be resolved is closed: each way to ask raises.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        stored: Callable[[str], Client | None],
        clock: Callable[[], Instant],
    ) -> None:
        self._settings = settings
        self._stored = stored
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Known] = OrderedDict()

    def get(self, client_id: str, *, however_old: bool = False) -> Resolved:
        """A client with the settings in force for it.

        `however_old`: for a caller who is about to `note` what is read of it. Raises
        `UnknownClient`, `ClientDisabled`, `Unavailable`.
        """
        known = self._known.get(client_id)
        if known is None or not (self._is_young(known) or (however_old and known.resolved)):
            known = self._look_up(client_id)
        return self._answer(client_id, known)

    def find(self, client_id: str) -> Resolved | None:
        """The same for an id that came from outside: None for one that there is not."""
        known = self._known.get(client_id)
        if known is None or not self._is_young(known):
            known = self._look_up(client_id)
        if known.client is None and known.refusal is None:
            self.drop(client_id)  # whoever makes ids up fills no memory of ours
            return None
        return self._answer(client_id, known)

    def note(self, client_id: str, client: Client | None) -> Resolved:
        """Take in what was just read of a stored client. Raises as `get` does."""
        return self._answer(client_id, self._keep(client_id, client))

    def drop(self, client_id: str | None) -> None:
        """Forget a client, so that it is read again at once."""
        with self._lock:
            self._known.pop(client_id or "", None)

    def _is_young(self, known: Known) -> bool:
        if known.client is not None and known.client.source == "client code":
            return True
        window = self._settings().mfa_session_recheck_seconds * 1000
        return 0 <= self._clock() - known.read_at < window

    def _look_up(self, client_id: str) -> Known:
        client = from_code(self._settings(), client_id)
        if client is None:
            try:
                client = self._stored(client_id)
            except UnknownClient as refusal:
                return self._put(client_id, self._closed(None, refusal))
        return self._keep(client_id, client)

    def _keep(self, client_id: str, client: Client | None) -> Known:
        known = self._known.get(client_id)
        now = self._clock()
        if known is not None and known.resolved is not None and known.client == client:
            return self._put(client_id, replace(known, read_at=now))
        if client is None:
            found = Known(read_at=now, client=None, resolved=None, refusal=None)
            return self._put(client_id, found)
        try:
            resolved = Resolved(client=client, settings=effective(self._settings(), client))
        except MfaError as refusal:
            return self._put(client_id, self._closed(client, refusal))
        return self._put(
            client_id, Known(read_at=now, client=client, resolved=resolved, refusal=None)
        )

    def _closed(self, client: Client | None, refusal: MfaError) -> Known:
        return Known(read_at=self._clock(), client=client, resolved=None, refusal=refusal)

    def _put(self, client_id: str, known: Known) -> Known:
        with self._lock:
            self._known[client_id] = known
            while len(self._known) > KEPT_CLIENTS:
                self._known.popitem(last=False)
        return known

    def _answer(self, client_id: str, known: Known) -> Resolved:
        if known.refusal is not None:
            raise type(known.refusal)
        if known.resolved is None:
            log.error("There is no MFA client %r; what names it is closed", client_id[:64])
            raise UnknownClient
        return known.resolved
