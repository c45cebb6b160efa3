"""When the host deletes or deactivates a user through the ORM, we follow after its commit.

What we know of a deleted user is deleted too; for one whose `is_active` is false, everything that
was begun, proven or remembered ends.
"""

from __future__ import annotations

import logging
import weakref
from typing import Any

from flask import current_app, g, has_app_context
from sqlalchemy import event
from sqlalchemy.orm import Session

from flask_melody_mfa.core.errors import MfaError
from flask_melody_mfa.core.types import Account
from flask_melody_mfa.flows import people
from flask_melody_mfa.web import door
from flask_melody_mfa.web.state import EXTENSION, State, context, state

log = logging.getLogger("flask_melody_mfa")

GONE = "mfa_gone"
OFF = "mfa_off"

_watched: weakref.WeakSet[Any] = weakref.WeakSet()


def watch(db: Any, user_model: Any) -> None:
    """Listen to a host's session, once per `db`."""
    del user_model  # resolved when a delete happens: it may not be importable yet
    if db in _watched:
        return
    _watched.add(db)
    event.listen(db.session, "after_flush", note)
    event.listen(db.session, "after_commit", follow)
    event.listen(db.session, "after_rollback", forget)


def note(session: Session, _context: Any) -> None:
    """A flush deleted or changed something: remember the keys of users."""
    changed = session.deleted or session.dirty
    if not changed or not has_app_context() or EXTENSION not in current_app.extensions:
        return
    here = state()
    model = here.users.model
    if model is None:
        return
    for instance in session.deleted:
        if isinstance(instance, model):
            session.info.setdefault(GONE, []).append(here.users.key_of(instance))
    for instance in session.dirty:
        if isinstance(instance, model) and not getattr(instance, "is_active", True):
            session.info.setdefault(OFF, set()).add(here.users.key_of(instance))


def forget(session: Session) -> None:
    """The host rolled back: nobody is gone."""
    session.info.pop(GONE, None)
    session.info.pop(OFF, None)


def follow(session: Session) -> None:
    """The host committed: forget who is gone. A failure is logged, never the host's."""
    for key in session.info.pop(OFF, ()):
        try:
            people.deactivated(context(actor="host"), Account(key=key, active=False))
        except MfaError as error:
            log.error("The MFA sessions of a deactivated user were not ended (%s)", error.code)
    for key in session.info.pop(GONE, []):
        try:
            people.erase(context(actor="host"), key)
            state().cache.drop_user(key)
        except MfaError as error:
            log.error("MFA data of a deleted user remain (%s); run flask mfa erase", error.code)


def put_out(here: State, key: str, found: Account | None = None) -> None:
    """A session of an account that is inactive: what it has ends here, and everywhere.

    `found`: whom Flask-Login found. A host that loads no inactive user by key has no other word.
    """
    account = found or here.account_of(key)
    if account is not None and not account.active:
        people.deactivated(context(actor="host"), account)
        door.sign_out_here()
        g._mfa_out = True
