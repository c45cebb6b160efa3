"""Who would be asked for what by a client's new settings: looked at before they are saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask_melody_mfa.core import clients as rules
from flask_melody_mfa.core import gate
from flask_melody_mfa.core.clients import Client
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.flows import clients
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.explain import step_name
from flask_melody_mfa.store import overview

SAMPLED = 2000
"""Accounts that are looked at; those seen last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a sign-in would owe, before and after, and for how many accounts of `looked_at`."""

    before: str
    after: str
    accounts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`same`: accounts for whom nothing changes. `changes`: the others, the most first."""

    looked_at: int
    same: int
    changes: tuple[Change, ...]
    settings: tuple[tuple[str, Any, Any], ...]


def preview(ctx: Context, client: Client, said: Mapping[str, Any]) -> Preview:
    """What `said` would change. Raises `InvalidClient` with every reason why it cannot be saved."""
    _, after = rules.checked(
        ctx.settings, clients.merged(client, said), mail_sender=ctx.can_mail, sms_sender=ctx.can_sms
    )
    before = clients.effective(ctx.settings, replace(client, enabled=True))
    sample = ctx.store.run(lambda session: overview.sample(session, SAMPLED))
    counted: Counter[tuple[str, str]] = Counter()
    for facts in sample:
        counted[owes(before, facts), owes(after, facts)] += 1
    same = sum(number for (was, will), number in counted.items() if was == will)
    return Preview(
        looked_at=len(sample),
        same=same,
        changes=tuple(
            Change(before=was, after=will, accounts=number)
            for (was, will), number in counted.most_common()
            if was != will
        ),
        settings=tuple(
            (name.upper(), getattr(before, name), getattr(after, name))
            for name in rules.OVERRIDES
            if getattr(before, name) != getattr(after, name)
        ),
    )


def owes(settings: Settings, facts: gate.Facts) -> str:
    """What a sign-in by password would owe, as short text."""
    step = gate.next_step(settings, facts)
    factors = getattr(step, "factors", ())
    return step_name(step) + (f" ({', '.join(map(str, factors))})" if factors else "")
