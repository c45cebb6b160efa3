"""Why is this user asked? The gate's answer, and where each value that it read came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.declared import BY_NAME
from flask_melody_mfa.core.facts import FACTORS
from flask_melody_mfa.core.settings import Source
from flask_melody_mfa.core.types import Account, Method
from flask_melody_mfa.flows.challenge import gate_facts
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import accounts

READ_BY_THE_GATE = (
    *(name for name in dir(gate.GateSettings) if not name.startswith("_")),
    "mfa_required_from",
)
"""The settings that the decision reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a sign-in of an account would owe now, and why.

    `settings`: name → value and source. `facts`: what the gate knows of the account.
    """

    step: gate.Step
    reasons: tuple[str, ...]
    settings: dict[str, tuple[Any, Source]]
    facts: gate.Facts

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        step: dict[str, Any] = {"type": step_name(self.step)}
        for name in ("factors", "alternatives", "may_skip", "reason"):
            value = getattr(self.step, name, None)
            if value is not None:
                step[name] = list(map(str, value)) if isinstance(value, tuple) else value
        return {
            "step": step,
            "reasons": list(self.reasons),
            "settings": {
                name: {"value": _plain(value), "source": source}
                for name, (value, source) in self.settings.items()
            },
            "facts": {
                name: _plain(getattr(self.facts, name)) for name in gate.Facts.__dataclass_fields__
            },
        }


def explain(ctx: Context, account: Account, *, method: str = Method.PASSWORD) -> Explanation:
    """The decision for a new sign-in of this account at this context's client."""
    holding = ctx.store.read(lambda session: accounts.read_holding(session, account.key))
    facts = gate_facts(ctx, account, holding, method=method)
    return Explanation(
        step=gate.next_step(ctx.settings, facts),
        reasons=gate.explain(ctx.settings, facts),
        settings={
            name: (
                BY_NAME[name.upper()].plain(getattr(ctx.settings, name)),
                ctx.settings.source_of(name),
            )
            for name in READ_BY_THE_GATE
        },
        facts=facts,
    )


def step_name(step: gate.StepUp) -> str:
    """A step's name as the embedded API says it."""
    match step:
        case gate.Satisfied():
            return "done"
        case gate.Prove():
            return "prove"
        case gate.SetUp():
            return "set_up"
        case gate.Stuck():
            return "stuck"
        case _:
            return "sign_in"


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return [str(kind) for kind in gate.in_order(value)] if value <= FACTORS else sorted(value)
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return value if value is None or isinstance(value, bool | int) else str(value)
