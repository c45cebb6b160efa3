"""Access tokens of clients (RFC 6749 §4.4): bought with a secret, checked anew every time."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from flask_melody_mfa.core import clients as rules
from flask_melody_mfa.core import limits
from flask_melody_mfa.core.clients import ALL_SCOPES, Caller, Client
from flask_melody_mfa.core.codes import new_token
from flask_melody_mfa.core.errors import NotAuthenticated, Throttled, TokenRefused
from flask_melody_mfa.core.types import MINUTE, SECOND, Instant
from flask_melody_mfa.flows.clients import opened
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import clients, counters
from flask_melody_mfa.store.tables import AccessToken, ClientRow

LIFETIME = 3600
"""Seconds."""

FAILURES = 10
FAILURES_WINDOW: Instant = 15 * MINUTE
LONGEST_TOKEN = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new access token. `expires_in`: seconds."""

    token: str = field(repr=False)
    scopes: tuple[str, ...]
    expires_in: int = LIFETIME


def issue(ctx: Context, client_id: str, secret: str, scope: str = "") -> Issued:
    """A token for a client that shows its secret; `scope`: names with blanks, empty for all.

    Raises `TokenRefused`, and `Throttled` after too many failures of this client or address.
    Failures are counted once they are known: a secret has 256 bits, so guesses side by side
    find nothing, and a try that was charged first would hold off a fleet that starts at once.
    """
    check_failures(ctx, client_id)
    secret_hash = ctx.vault.token_hash(secret)
    found = ctx.store.read(
        lambda session: clients.find_secret(session, secret_hash, client_id, ctx.now)
    )
    client = None
    if found is not None and found[0].client_id == client_id:
        client = living(ctx, client_id, found[1])
    if found is None or client is None:
        count_failure(ctx, client_id)
        raise TokenRefused("invalid_client")
    scopes = granted(client, scope)
    token = new_token()
    row = AccessToken(
        token_hash=ctx.vault.token_hash(token),
        client_id=client_id,
        secret_id=found[0].id,
        scopes=",".join(scopes),
        created_at=ctx.now,
        expires_at=ctx.now + LIFETIME * SECOND,
    )
    ctx.store.run(lambda session: session.add(row))
    return Issued(token=token, scopes=scopes)


def living(ctx: Context, client_id: str, row: ClientRow | None) -> Client | None:
    """The client of a credential, if it is there and switched on; code comes before the row."""
    client = rules.from_code(ctx.settings, client_id) or opened(row)
    return client if client is not None and client.enabled else None


def granted(client: Client, scope: str) -> tuple[str, ...]:
    """The scopes that a request gets. Raises `TokenRefused`."""
    if not client.scopes:
        raise TokenRefused("unauthorized_client")
    if not scope:
        return rules.in_order(client.scopes)
    wanted = frozenset(scope.split(" "))
    if not wanted <= ALL_SCOPES or not rules.covers(client.scopes, wanted):
        raise TokenRefused("invalid_scope")
    return rules.in_order(wanted)


def check_failures(ctx: Context, client_id: str) -> None:
    """Raises `Throttled` while a client or an address has failed too often."""

    def work(session: Session) -> Instant:
        return max(
            counters.left_until(session, counter_of(ctx, client_id), ctx.now, FAILURES),
            ctx.address_limits.left_until(ctx, session, "token", FAILURES, FAILURES_WINDOW),
        )

    left = ctx.store.read(work)
    if left:
        raise Throttled(limits.seconds(left))


def count_failure(ctx: Context, client_id: str) -> None:
    """Count a failure against the client, known or not, and the address."""

    def work(session: Session) -> None:
        counters.count(session, counter_of(ctx, client_id), ctx.now, FAILURES_WINDOW, FAILURES)
        ctx.address_limits.count(ctx, session, "token", FAILURES, FAILURES_WINDOW)

    ctx.store.run(work)


def counter_of(ctx: Context, client_id: str) -> str:
    """The counter of one client's failures."""
    return ctx.vault.name("token", "client", client_id)


def check(ctx: Context, token: str) -> Caller:
    """Who shows an access token, in one statement.

    Raises `NotAuthenticated` for one that is unknown or over, and when its secret, its client
    or one of its scopes is gone.
    """
    if not token.isascii() or len(token) > LONGEST_TOKEN:
        raise NotAuthenticated
    token_hash = ctx.vault.token_hash(token)
    found = ctx.store.read(lambda session: clients.find_token(session, token_hash, ctx.now))
    if found is None:
        raise NotAuthenticated
    row, client_row = found
    client = living(ctx, row.client_id, client_row)
    scopes = frozenset(row.scopes.split(","))
    if client is None or not rules.covers(client.scopes, scopes):
        raise NotAuthenticated
    return Caller(client=client.id, scopes=scopes)
