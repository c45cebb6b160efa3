"""Web addresses in settings: origins, redirect addresses, prefixes, stores (RFC 6454, RFC 8252)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from flask_melody_mfa.core.setting_types import BadValue, text

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+", re.ASCII)
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", re.ASCII)


def is_loopback(host: str) -> bool:
    """Whether a host name is this very machine (RFC 6761 §6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return is_address(host) and ipaddress.ip_address(host).is_loopback


def is_address(host: str) -> bool:
    """Whether a host name is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def parts_of(value: Any) -> SplitResult:
    """The parts of an absolute address that no two readers can take apart differently."""
    line = text(value)
    if not line.isascii() or re.search(r"[\s\\<>\"^`{|}]", line):
        raise BadValue("holds characters that no address has; write it in ASCII (punycode)")
    try:
        parts = urlsplit(line)
        _ = parts.port
    except ValueError:
        raise BadValue("is no valid address") from None
    if "@" in parts.netloc:
        raise BadValue("holds a user name or password; leave it out")
    return parts


def origin(value: Any) -> str:
    """An origin as browsers write it: `https://example.org`, default ports left out."""
    parts = parts_of(value)
    host = parts.hostname or ""
    if parts.scheme not in _PORTS or not (_HOST.fullmatch(host) or is_address(host)):
        raise BadValue("is no origin; write it as in 'https://example.org'")
    if parts.path not in ("", "/") or "?" in text(value) or "#" in text(value):
        raise BadValue("has a path, query or fragment; write the origin alone")
    shown_host = f"[{host}]" if ":" in host else host
    if parts.port in (None, _PORTS[parts.scheme]):
        return f"{parts.scheme}://{shown_host}"
    return f"{parts.scheme}://{shown_host}:{parts.port}"


def outside(domain: str, listed: Iterable[str]) -> tuple[str, ...]:
    """Those of some origins that neither are at a domain nor below it."""
    return tuple(
        origin
        for origin in listed
        if not f".{urlsplit(origin).hostname or ''}".endswith(f".{domain}")
    )


def is_plain(address: str) -> bool:
    """Whether an origin sends in the clear over a network: http, and not to this machine."""
    parts = urlsplit(address)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def redirect_uri(value: Any) -> str:
    """An address that a policy may end at (contract section 5), kept letter by letter.

    https; http on loopback; or a private-use scheme with a dot (RFC 8252 §7.1). No user-info,
    fragment or wildcard.
    """
    parts, line = parts_of(value), text(value)
    if "#" in line or "*" in line:
        raise BadValue("has a fragment or wildcard; write one exact address")
    host = parts.hostname or ""
    known_host = bool(_HOST.fullmatch(host)) or is_address(host)
    if parts.scheme == "https" and known_host:
        return line
    if parts.scheme == "http" and known_host and is_loopback(host):
        return line
    if _SCHEME.fullmatch(parts.scheme):
        return line
    raise BadValue(
        "is no redirect address; use https, http on loopback, or a private scheme with a dot"
    )


def prefix(value: Any) -> str:
    """A path that starts with, and does not end in, a slash."""
    line = text(value)
    if not _PREFIX.fullmatch(line):
        raise BadValue("is no prefix; write it as in '/mfa', without a slash at the end")
    return line


def relying_party(value: Any) -> str:
    """A WebAuthn relying party id: a domain name in lower case (WebAuthn §5.1.3)."""
    line = text(value)
    if not _HOST.fullmatch(line) or is_address(line):
        raise BadValue("is no domain; write it in lower case, as in 'example.org'")
    return line


def redis_uri(value: Any) -> str:
    """A redis store: redis:// or rediss:// (with TLS), with a host."""
    line = text(value)
    try:
        parts = urlsplit(line)
        usable = parts.scheme in ("redis", "rediss") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise BadValue("is no redis address; write it as in 'redis://cache:6379/0'")
    return line


def without_password(uri: str) -> str:
    """The same address with user name, password and query left out, for showing."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()
