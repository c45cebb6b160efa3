"""Hosts that race."""

from __future__ import annotations

from typing import Any

from tests.host import Host
from tests.races.rig import POOL


def host(url: str, **config: Any) -> Host:
    """The plain host, with a connection for everyone."""
    options = {**POOL, **config.pop("engine_options", {})}
    if url.startswith("sqlite"):
        options["connect_args"] = {"timeout": 20}
    return Host(url, SQLALCHEMY_ENGINE_OPTIONS=options, **config)


def plain(url: str) -> Host:
    """A host without further wishes; no pause between two messages."""
    return host(url)


def serializable(url: str) -> Host:
    """A host that lets its transactions run one after another, as far as anyone can tell."""
    return host(url, engine_options={"isolation_level": "SERIALIZABLE"})


def thrifty(url: str) -> Host:
    """A host that sends seven text messages an hour in all."""
    return host(url, MFA_SMS_PER_HOUR=7)
