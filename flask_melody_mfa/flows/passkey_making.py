"""A passkey is made: on what grounds, in which ceremony, under which name."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core import gate, limits
from flask_melody_mfa.core import passkeys as rules
from flask_melody_mfa.core.codes import LONGEST_NAME, clean_name, new_id
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    Forbidden,
    InvalidPasskey,
    NotFound,
    StepUpRequired,
)
from flask_melody_mfa.core.passkeys import NewPasskey
from flask_melody_mfa.core.types import Account, Answer, Event, FactorKind, Instant, Method, Proof
from flask_melody_mfa.flows import after_gate, ceremonies, changes, enroll, sessions
from flask_melody_mfa.flows.challenge import (
    Challenge,
    proofs_from_text,
    proofs_to_text,
    with_proof,
)
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Requirement, Standing
from flask_melody_mfa.flows.sign_in import Finished, advance
from flask_melody_mfa.store import accounts
from flask_melody_mfa.store import passkeys as store
from flask_melody_mfa.store import sessions as session_store
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.tables import SessionRow

PASSKEY = FactorKind.PASSKEY


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyView:
    """A passkey as its owner may see it. `synced`: also on other devices of theirs (flag BS)."""

    id: str
    name: str
    created_at: Instant
    last_used_at: Instant | None
    synced: bool
    transports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Why a passkey may be added now: a challenge asks for it, or a session allows it.

    `prompted`: it is offered after a sign-in, and nobody asked for it.
    Made by `by_challenge` and `by_session` only, which judge.
    """

    challenge: Challenge | None = None
    standing: Standing | None = None
    prompted: bool = False

    def binding(self, ctx: Context) -> str:
        """What the ceremony belongs to."""
        if self.challenge is not None:
            return ceremonies.bound_to(ctx, ceremonies.CHALLENGE, self.challenge.row.id)
        assert self.standing is not None  # noqa: S101
        return ceremonies.bound_to(ctx, ceremonies.SESSION, self.standing.row.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A passkey that was just made. `finished`: the challenge that asked for it is done."""

    passkey: PasskeyView
    finished: Finished | None = field(default=None, repr=False)


def by_challenge(ctx: Context, account: Account, challenge: Challenge) -> Right:
    """A challenge that asks for the set-up of a passkey now.

    Raises `NotFound` where none may be added, `Forbidden`, `Conflict`, `NobodyCan`.
    """
    check_allowed(ctx, account)
    enroll.check_offered(ctx, account, challenge, PASSKEY)
    return Right(challenge=challenge)


def by_session(ctx: Context, account: Account, standing: Standing) -> Right:
    """A satisfied session that is offered a passkey after the gate, or holds a fresh proof.

    Raises `NotFound` where none may be added, `StepUpRequired`.
    """
    check_allowed(ctx, account)
    if standing.row.user_key != account.key or not standing.satisfied:
        raise StepUpRequired
    prompted = PASSKEY in after_gate.prompts(ctx, standing)
    asked = Requirement(max_age=ctx.settings.mfa_fresh_seconds)
    if not prompted and not isinstance(
        sessions.meets(ctx, account, standing, asked), gate.Satisfied
    ):
        raise StepUpRequired
    return Right(standing=standing, prompted=prompted)


def check_allowed(ctx: Context, account: Account) -> None:
    """Raises `NotFound` while new passkeys are switched off, `Forbidden` for a disabled account."""
    if not ctx.settings.allow_passkey_enrollment:
        raise NotFound
    if not account.active:
        raise Forbidden


def may_be_automatic(right: Right) -> bool:
    """Whether a passkey may be made without asking (conditional create).

    Only right after a sign-in, and beside another factor: else it would be all that is held, and
    the next sign-in on another device would ask for what is not there.
    """
    standing = right.standing
    return (
        right.prompted
        and standing is not None
        and standing.row.method == Method.PASSWORD
        and bool(standing.holding.enrolled)
    )


def start_enrollment(
    ctx: Context, account: Account, right: Right, *, automatic: bool = False
) -> Mapping[str, Any]:
    """Options for the browser. Raises `Conflict` for the 21st passkey, `Forbidden`."""
    if automatic and not may_be_automatic(right):
        raise Forbidden
    purpose = rules.AUTOMATIC if automatic else rules.CREATE

    def work(session: Session) -> Mapping[str, Any]:
        handle = store.ensure_handle(session, account.key, secrets.token_bytes(rules.HANDLE_BYTES))
        held = store.of_user(session, account.key)
        if len(held) >= limits.PASSKEYS:
            raise Conflict
        prompt = ctx.factors[PASSKEY].start_enrollment(
            ctx.env(account.key, held=held), account, {"handle": handle, "ceremony": purpose}
        )
        return ceremonies.begin(
            ctx,
            session,
            prompt,
            binding=right.binding(ctx),
            purpose=purpose,
            user_key=account.key,
        )

    return ctx.store.run(work)


def finish_enrollment(
    ctx: Context, account: Account, right: Right, answer: Answer, *, usual_name: str = ""
) -> Added:
    """Verify and store a passkey.

    `answer`: `credential` (`RegistrationResponseJSON`), `name`. `usual_name`: what to call one
    whose maker is not known. Raises `InvalidRequest`, `InvalidPasskey`, `Conflict` for a
    credential or name that is there already, the 21st, or a lost race, `ChallengeOver`.
    """
    created = rules.read_created(answer["credential"])
    wished = clean_name(answer.get("name", ""))
    purpose, kept = spend(ctx, account, right, created.client_data)
    new = ctx.factors[PASSKEY].finish_enrollment(
        ctx.env(account.key), kept, {**answer, "ceremony": purpose}
    )
    assert isinstance(new, NewPasskey)  # noqa: S101
    return keep(ctx, account, right, new, wished, usual_name, automatic=purpose == rules.AUTOMATIC)


def spend(
    ctx: Context, account: Account, right: Right, client_data: bytes
) -> tuple[str, Mapping[str, Any]]:
    """Use up the ceremony that a registration answers; which it was, and its challenge."""
    challenge = rules.challenge_of(client_data, rules.CREATE, ctx.origins)

    def work(session: Session) -> str | None:
        for purpose in (rules.CREATE, rules.AUTOMATIC):
            if ceremonies.spend(
                ctx,
                session,
                challenge,
                binding=right.binding(ctx),
                purpose=purpose,
                user_key=account.key,
            ):
                return purpose
        return None

    purpose = ctx.store.run(work)
    if purpose is None:
        raise InvalidPasskey
    return purpose, ceremonies.kept(challenge)


def keep(
    ctx: Context,
    account: Account,
    right: Right,
    new: NewPasskey,
    wished: str | None,
    usual_name: str,
    *,
    automatic: bool,
) -> Added:
    """Store a passkey, and what follows from it, in one transaction."""
    challenge = right.challenge
    passkey_id = new_id(ctx.now)

    def work(session: Session) -> tuple[PasskeyView, Finished | None, tuple[Event, ...]]:
        # The account's row first: nothing else changes what it holds until this is written.
        if not accounts.change_version(session, account.key):
            accounts.ensure_user(session, account.key, ctx.now)
        if store.exists(session, new.credential_id):
            raise Conflict
        events: list[Event] = []
        if challenge is not None and challenge.goal.replaces is not None:
            events.append(enroll.take_away(ctx, session, account.key, challenge.goal.replaces))
        taken = [name for _, name in store.names(session, account.key)]
        if len(taken) >= limits.PASSKEYS:
            raise Conflict
        name = unused(wished, rules.name_of(new.aaguid) or usual_name, taken)
        store.add(session, account.key, new, row_id=passkey_id, name=name, now=ctx.now)
        events.append(
            ctx.event(
                "passkey_added",
                account.key,
                factor=PASSKEY.value,
                passkey=passkey_id,
                automatic=automatic,
            )
        )
        but = (challenge.row.id,) if challenge is not None else ()
        events += changes.follow(ctx, session, account.key, reason="passkey_added", but=but)
        finished, more = note_proof(ctx, session, account, right)
        events += more
        record(session, events)
        made = PasskeyView(
            id=passkey_id,
            name=name,
            created_at=ctx.now,
            last_used_at=None,
            synced=new.backed_up,
            transports=new.transports,
        )
        return made, finished, tuple(events)

    made, finished, events = ctx.store.run(work)
    ctx.tell(account, events)
    return Added(passkey=made, finished=finished)


def note_proof(
    ctx: Context, session: Session, account: Account, right: Right
) -> tuple[Finished | None, tuple[Event, ...]]:
    """Whoever has just made a passkey has it: so a first one does not close its own session.

    Like the code of any set-up it is no later proof. Raises `ChallengeOver` for a lost race.
    """
    proof = Proof(kind=PASSKEY, at=ctx.now, setup=True)
    if right.challenge is not None:
        # Proofs of devices have just ended with the devices.
        still = tuple(one for one in right.challenge.proofs if one.device is None)
        return advance(ctx, session, account, right.challenge, with_proof(still, proof))
    assert right.standing is not None  # noqa: S101
    row = session.get(SessionRow, right.standing.row.id, populate_existing=True)
    if row is None or row.user_key != account.key:
        raise ChallengeOver
    proofs = proofs_to_text(with_proof(proofs_from_text(row.proofs), proof))
    if not session_store.change(session, row, SessionRow.proofs == row.proofs, proofs=proofs):
        raise ChallengeOver
    return None, ()


def unused(wished: str | None, usual: str, taken: list[str | None]) -> str:
    """The name of a new passkey. Raises `Conflict` for a wish that is taken."""
    if wished is not None:
        if wished in taken:
            raise Conflict
        return wished
    usual = clean_name(usual[:LONGEST_NAME]) or "Passkey"
    if usual not in taken:
        return usual
    numbers = range(2, limits.PASSKEYS + 2)
    candidates = (f"{usual[: LONGEST_NAME - 5]} ({number})" for number in numbers)
    return next(name for name in candidates if name not in taken)
