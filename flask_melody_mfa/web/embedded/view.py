"""A session of the embedded API in one request: who calls, where it stands, what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from flask import g, request

from flask_melody_mfa.core import codes, gate
from flask_melody_mfa.core.errors import NotAuthenticated
from flask_melody_mfa.core.signed import Purpose
from flask_melody_mfa.core.types import Account, FactorKind
from flask_melody_mfa.flows import devices, prove
from flask_melody_mfa.flows import embedded as flow
from flask_melody_mfa.flows import embedded_steps as steps
from flask_melody_mfa.flows.challenge import preferred
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.embedded import Embedded
from flask_melody_mfa.flows.embedded_steps import Place
from flask_melody_mfa.web import answers, words
from flask_melody_mfa.web.embedded import origins, shapes
from flask_melody_mfa.web.operation import Operation
from flask_melody_mfa.web.state import context, state


@dataclass(slots=True)
class Here:
    """The session that a request is for."""

    ctx: Context
    embedded: Embedded
    account: Account | None
    device_before: str | None = None

    def place(self) -> Place:
        """Where it stands now."""
        return steps.place(self.ctx, self.embedded, self.account)

    def go_on(self, embedded: Embedded) -> None:
        """Take in what changed."""
        self.embedded = embedded
        if self.account is None and embedded.row.user_key is not None:
            self.account = state().account_of(embedded.row.user_key)


def admit(operation: Operation) -> Here:
    """The session whose token is shown. Raises `NotAuthenticated`."""
    del operation
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    token = shown.strip(" ")
    session_id = str((request.view_args or {}).get("id", ""))
    if scheme.lower() != "bearer" or not token or not token.isascii() or len(token) > 128:
        raise NotAuthenticated
    embedded = flow.load(context(), session_id, token)
    client = embedded.row.client
    found = state().clients.get(client).client if client is not None else None
    origins.check_bound(embedded.row.origin, found)
    speak(embedded.row.locale)
    key = embedded.row.user_key
    return Here(
        ctx=context(client, locale=language()),
        embedded=embedded,
        account=state().account_of(key) if key is not None else None,
        device_before=embedded.kept.get("device"),
    )


def speak(locale: str | None) -> None:
    """Answer this request in a language, where it is one of ours."""
    if locale is not None:
        g._mfa_locale = words.match([locale], state().settings.mfa_languages)


def language() -> str:
    """The language of this request."""
    return words.current_locale(state().settings.mfa_languages)


def where(here: Here, shape: type[shapes.Where] = shapes.Where, **also: Any) -> shapes.Where:
    """What every answer says."""
    at = here.place()
    now = here.embedded.kept.get("device")
    if now is not None and now != here.device_before:
        also["device_token"] = signed_device(now)
    return shape(
        session_id=here.embedded.row.id,
        status="complete" if at.is_done else "pending",
        next_step=next_step(here, at),
        expires_at=here.embedded.row.expires_at,
        **also,
    )


def next_step(here: Here, at: Place) -> Any:
    """What the frontend is to draw."""
    match at.step:
        case gate.Prove() as step:
            return prove_step(here, at, step)
        case gate.SetUp(factors=factors, may_skip=may_skip):
            return shapes.SetUpStep(factors=names(factors), may_skip=may_skip)
        case gate.Stuck(reason=reason):
            sentence = words.STUCK.get(reason, words.STUCK_OTHERWISE)
            return shapes.StuckStep(reason=reason, detail=answers.texts().mfa_text(sentence))
        case gate.Satisfied():
            return offer_step(at)
        case _:
            return shapes.SignInStep()


def prove_step(here: Here, at: Place, step: gate.Prove) -> shapes.ProveStep:
    """What must be proven, the one used last first, and where codes would go."""
    assert at.challenge is not None and at.account is not None  # noqa: S101
    first = preferred(step, at.challenge.holding)
    factors = sorted(step.factors, key=lambda kind: kind is not first)
    goes_to = {
        kind.value: codes.mask_destination(to)
        for kind in (FactorKind.SMS, FactorKind.EMAIL)
        if prove.allowed(step, kind)
        and (to := prove.destination(here.ctx, at.account, at.challenge, kind))
    }
    row = at.challenge.row
    return shapes.ProveStep(
        factors=names(factors),
        alternatives=[cast(Any, str(name)) for name in step.alternatives],
        destination=next((goes_to[kind] for kind in factors if kind in goes_to), None),
        destinations=goes_to,
        remember_device_allowed=devices.may_remember(
            here.ctx.settings, purpose=row.purpose, method=row.method, proofs=at.challenge.proofs
        ),
    )


def offer_step(at: Place) -> Any:
    """What is offered, once nothing is owed."""
    match at.offers:
        case (steps.REPLACE, *_):
            return shapes.ReplaceStep(factors=names(dict.fromkeys(o.kind for o in at.lost)))
        case (steps.PASSKEY, *_):
            return shapes.PasskeyStep()
        case (steps.CODES, *_):
            return shapes.CodesStep()
        case _:
            return shapes.DoneStep()


def names(kinds: Any) -> list[Any]:
    """Factors as the API names them."""
    return [kind.value for kind in kinds]


def signed_device(token: str) -> str:
    """A device's token as callers without cookies keep it: signed, so garbage costs no query."""
    return state().signer(Purpose.DEVICE).dumps([token])


def opened_device(text: str | None) -> str | None:
    """The token within; None for what is not ours."""
    if text is None:
        return None
    seconds = state().settings.mfa_remember_device_days * 86_400
    found = state().signer(Purpose.DEVICE).loads(text, max_age=seconds)
    match found:
        case [str() as token]:
            return token
    return None
