"""Clients: applications with settings, addresses and scopes of their own (contract section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from flask_melody_mfa.core import origins
from flask_melody_mfa.core import setting_rules as rules
from flask_melody_mfa.core.declared import CLIENT_FIELDS, DECLARED, SCOPES
from flask_melody_mfa.core.errors import ConfigError, Forbidden, InvalidClient
from flask_melody_mfa.core.settings import CLIENT_ID, Settings, senderless, without_sender
from flask_melody_mfa.core.types import Instant

Source = Literal["client code", "client database"]

ROOT = "root"
ALL_SCOPES = frozenset(SCOPES)
OVERRIDES = tuple(setting.attribute for setting in DECLARED if setting.overridable)
"""The settings that a client may override (◆), by their lower-case names."""
USE_SYSTEM = "use_system_mfa_config"

LONGEST_NAME = 100
MOST_ADDRESSES = 50
LONGEST_ADDRESS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client, as declared in code or kept in the database.

    `overrides`: what it says of ◆ settings and `use_system_mfa_config`, as given, by lower-case
    names. `version` goes up with every change.
    """

    id: str
    name: str
    source: Source
    overrides: Mapping[str, Any] = field(default_factory=dict)
    redirect_uris: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    allow_native: bool = False
    scopes: frozenset[str] = frozenset()
    enabled: bool = True
    version: int = 0
    created_at: Instant | None = None
    changed_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who changes something. `client`: the calling client's id; None: an operator (CLI, admin)."""

    scopes: frozenset[str]
    client: str | None = None


OPERATOR = Caller(scopes=frozenset({ROOT}))


def is_client_id(text: str) -> bool:
    """Whether a text has the form of a client's id."""
    return CLIENT_ID.fullmatch(text) is not None


def holds(own: frozenset[str], scope: str) -> bool:
    """Whether scopes allow what `scope` allows; `root` allows all."""
    return ROOT in own or scope in own


def covers(own: frozenset[str], other: frozenset[str]) -> bool:
    """Whether `other` has nothing that `own` lacks."""
    return ROOT in own or other <= own


def check_may_change(caller: Caller, client: Client) -> None:
    """Raises `Forbidden` unless every scope of the client is the caller's own."""
    if not covers(caller.scopes, client.scopes):
        raise Forbidden


def check_may_grant(caller: Caller, scopes: frozenset[str]) -> None:
    """Raises `Forbidden` for scopes that the caller lacks; `root` is granted by operators only."""
    if not covers(caller.scopes, scopes) or (ROOT in scopes and caller.client is not None):
        raise Forbidden


def in_order(scopes: frozenset[str]) -> tuple[str, ...]:
    """Scopes as they are listed everywhere."""
    return tuple(scope for scope in SCOPES if scope in scopes)


def from_code(settings: Settings, client_id: str) -> Client | None:
    """A client of `MFA_CLIENTS`, or None."""
    said = settings.mfa_clients.get(client_id)
    if said is None:
        return None
    lower = {str(name).lower(): value for name, value in said.items()}
    return Client(
        id=client_id,
        name=str(lower.get("name", client_id)),
        source="client code",
        overrides={name: lower[name] for name in (*OVERRIDES, USE_SYSTEM) if name in lower},
        redirect_uris=tuple(lower.get("redirect_uris", ())),
        origins=tuple(lower.get("origins", ())),
        allow_native=bool(lower.get("allow_native", False)),
        scopes=frozenset(lower.get("scopes", ())),
    )


def checked(
    settings: Settings, client: Client, *, mail_sender: bool, sms_sender: bool
) -> tuple[Client, Settings]:
    """A client with its fields in their final form, and the settings that take effect for it.

    Raises `InvalidClient` with every reason why it could not take effect.
    """
    said = {
        **client.overrides,
        "name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "origins": list(client.origins),
        "allow_native": client.allow_native,
        "scopes": in_order(client.scopes) if client.scopes <= ALL_SCOPES else [*client.scopes],
    }
    problems: list[str] = []
    _, fields = rules.read_client(said, problems)
    effective = settings
    if not problems:
        try:
            effective = settings.for_client(client.overrides, source=client.source)
        except ConfigError as error:
            problems += error.problems
        else:
            without = senderless(mail_sender=mail_sender, sms_sender=sms_sender)
            without_sender("", effective, without, problems, [])
    problems += too_much(fields)
    if not settings.debug and any(origins.is_plain(one) for one in fields.get("origins", ())):
        problems.append("origins has one with http; set https, except on loopback or in debug")
    if problems:
        raise InvalidClient(by_field(problems))
    final = replace(
        client,
        name=fields["name"],
        redirect_uris=fields["redirect_uris"],
        origins=fields["origins"],
        allow_native=fields["allow_native"],
        scopes=frozenset(fields["scopes"]),
    )
    return final, effective


def too_much(fields: Mapping[str, Any]) -> list[str]:
    """Fields that are longer than anyone needs."""
    problems = []
    if len(fields.get("name", "")) > LONGEST_NAME:
        problems.append(f"name is too long; set at most {LONGEST_NAME} characters")
    for name in ("redirect_uris", "origins"):
        listed = fields.get(name, ())
        if len(listed) > MOST_ADDRESSES or any(len(one) > LONGEST_ADDRESS for one in listed):
            problems.append(
                f"{name} is too long; set at most {MOST_ADDRESSES}, each of at most "
                f"{LONGEST_ADDRESS} characters"
            )
    return problems


def by_field(problems: list[str]) -> dict[str, str]:
    """Problems by the field that they begin with, in lower case; others under `client`."""
    found: dict[str, str] = {}
    for problem in problems:
        first, _, rest = problem.partition(" ")
        name = first.strip(",'").lower()
        known = name in OVERRIDES or name in CLIENT_FIELDS
        key, text = (name, rest) if known and not first.endswith(",") else ("client", problem)
        found[key] = f"{found[key]} {text}" if key in found else text
    return found
