"""A host for the examples of the documentation that show a part of an app only."""

from __future__ import annotations

from tests.host import Host

host = Host(DEBUG=True)
app, db, mfa, User = host.app, host.db, host.mfa, host.User
