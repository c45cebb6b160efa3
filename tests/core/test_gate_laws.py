"""The gate's laws (section 3 of the contract), over all combinations of its inputs.

The whole product has some 10^11 points. So it is walked in slices, each complete in the inputs
that bear on one another, and at random as a whole. Nothing here calls the gate's own helpers:
what is held, proven or standing in is said once more, from the contract.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import combinations, permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from flask_melody_mfa.core.gate import (
    Facts,
    NeedPassword,
    Prove,
    Satisfied,
    SetUp,
    SignIn,
    Step,
    StepUp,
    Stuck,
    backup_stands_for,
    next_step,
    step_up,
)
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import FactorKind

KINDS = ("otp", "sms", "email")
METHODS = ("password", "remembered", "passkey", "recovery_code", "external", "trusted")
MOST_STEPS = 7

Kinds = frozenset[str]
NONE: Kinds = frozenset()
ALL: Kinds = frozenset(KINDS)


def subsets(of: Iterable[str]) -> list[Kinds]:
    """All subsets; the n-th holds the members whose bits are set in n."""
    members = tuple(of)
    return [
        frozenset(one for bit, one in enumerate(members) if number >> bit & 1)
        for number in range(1 << len(members))
    ]


EACH = subsets(KINDS)
HELD_AND_DISABLED = [(held, disabled) for held in EACH for disabled in subsets(sorted(held))]
LISTS = [order for size in range(4) for some in combinations(KINDS, size)
         for order in permutations(some)]  # fmt: skip

APP = Settings.load({"MFA_SECRET_KEYS": ["k3y-" * 10], "MFA_SMS_COUNTRIES": ["US"]})
SWITCHES = (
    "allow_email_mfa_as_backup",
    "enable_recovery_code",
    "enable_mfa_remember_device",
    "mfa_ask_every_enrolled",
    "mfa_passkey_is_enough",
    "mfa_recovery_code_is_enough",
    "mfa_external_sign_in_is_enough",
)


@cache
def app(required: Kinds, enforced: tuple[str, ...], **switches: bool) -> Settings:
    return dataclasses.replace(
        APP,
        otp_mfa_is_required="otp" in required,
        sms_mfa_is_required="sms" in required,
        email_mfa_is_required="email" in required,
        enforce_one_mfa_enrollment=tuple(FactorKind(kind) for kind in enforced),
        **switches,
    )


# What the contract says of settings and facts


def required(settings: Settings, facts: Facts) -> Kinds:
    by_settings = {
        "otp": settings.otp_mfa_is_required,
        "sms": settings.sms_mfa_is_required,
        "email": settings.email_mfa_is_required,
    }
    return facts.must_set_up | {kind for kind in KINDS if by_settings[kind]}


def is_held(facts: Facts) -> bool:
    return bool(facts.enrolled) or facts.passkeys > 0


def enough_by_itself(settings: Settings, facts: Facts) -> bool:
    """Rule 1."""
    return {
        "trusted": True,
        "external": settings.mfa_external_sign_in_is_enough,
        "passkey": settings.mfa_passkey_is_enough,
        "recovery_code": settings.mfa_recovery_code_is_enough,
    }.get(facts.method, False)


def passkey_was_proven(facts: Facts) -> bool:
    """Beside the sign-in: the one that opened it stood for the password."""
    return facts.passkeys > 0 and "passkey" in facts.proven and facts.method != "passkey"


def held_proofs(facts: Facts) -> Kinds:
    proofs = facts.proven & facts.enrolled
    return proofs | {"passkey"} if passkey_was_proven(facts) else proofs


def code_was_spent(settings: Settings, facts: Facts) -> bool:
    return (
        settings.enable_recovery_code
        and "recovery_code" in facts.proven
        and facts.method != "recovery_code"
    )


def stands_for_all(settings: Settings, facts: Facts) -> bool:
    return code_was_spent(settings, facts) or (
        settings.mfa_passkey_is_enough and passkey_was_proven(facts)
    )


def on_device(settings: Settings, facts: Facts) -> Kinds:
    if not settings.enable_mfa_remember_device:
        return NONE
    passkey = {"passkey"} if facts.passkeys > 0 and facts.method != "passkey" else NONE
    return facts.device & (facts.enrolled | passkey)


def backed_up(settings: Settings, facts: Facts) -> list[Kinds]:
    """The ways to read the backups: at most one of them counts."""
    allowed = settings.allow_email_mfa_as_backup
    if not allowed or "email" in facts.enrolled | required(settings, facts):
        return [NONE]
    return [NONE, *(frozenset({kind}) for kind in facts.backed_up & facts.enrolled - {"email"})]


def deserves_to_pass(settings: Settings, facts: Facts) -> bool:
    """Whether nothing is owed, said as a whole instead of rule by rule."""
    if enough_by_itself(settings, facts):
        return True
    proofs, demanded = held_proofs(facts), required(settings, facts)
    if facts.method == "recovery_code" and not proofs:
        return False
    if not demanded <= facts.enrolled:
        return False
    if not is_held(facts):
        return not settings.enforce_one_mfa_enrollment
    if stands_for_all(settings, facts):
        return True
    asked = set(demanded)
    if settings.mfa_ask_every_enrolled:
        asked |= facts.enrolled
        beside = facts.passkeys > 0 and facts.method != "passkey"
        if beside and not settings.mfa_passkey_is_enough:
            asked.add("passkey")
    for backup in backed_up(settings, facts):
        shown = proofs | on_device(settings, facts) | backup
        if asked <= shown and (demanded or shown):
            return True
    return False


def lets_in(step: Step) -> bool:
    """Satisfied, or would be by putting off a set-up."""
    return isinstance(step, Satisfied) or (isinstance(step, SetUp) and step.may_skip)


# The laws of one point


def satisfied_exactly_where_nothing_is_owed(settings: Settings, facts: Facts, step: Step) -> bool:
    if isinstance(step, Satisfied):
        return deserves_to_pass(settings, facts)
    # Of several backups, which no sign-in can have, it is open which one counts.
    return len(facts.backed_up) > 1 or not deserves_to_pass(settings, facts)


def no_required_factor_is_spared(settings: Settings, facts: Facts, step: Step) -> bool:
    if not isinstance(step, Satisfied) or enough_by_itself(settings, facts):
        return True
    missing = required(settings, facts) - (facts.proven & facts.enrolled)
    if missing - facts.enrolled:
        return False  # Nothing stands in for a set-up.
    if facts.passkeys and settings.mfa_passkey_is_enough and "passkey" in facts.proven:
        return True
    if settings.enable_recovery_code and "recovery_code" in facts.proven:
        return True
    if settings.enable_mfa_remember_device:
        missing -= facts.device
    by_backup = missing & facts.backed_up if settings.allow_email_mfa_as_backup else NONE
    return len(by_backup) <= 1 and missing == by_backup


def no_set_up_without_what_entitles_to_it(settings: Settings, facts: Facts, step: Step) -> bool:
    if not isinstance(step, SetUp):
        return True
    proofs, spent = held_proofs(facts), code_was_spent(settings, facts)
    if facts.method == "remembered" and not is_held(facts):
        return False
    if facts.method == "recovery_code" and not proofs:
        return False
    if is_held(facts) and not (proofs or spent or facts.method == "passkey"):
        return False  # A remembered device or an email backup entitles to nothing.
    return all(
        bool(proofs - {kind}) or spent for kind in step.factors if kind in facts.enrolled
    )  # Held and yet set up: only what was disabled, and only after another proof.


def a_set_up_is_of_what_can_be_had(settings: Settings, facts: Facts, step: Step) -> bool:
    if not isinstance(step, SetUp):
        return True
    demanded = required(settings, facts)
    if demanded or facts.enrolled:
        right = len(step.factors) == 1 and step.factors[0] not in facts.enrolled - facts.disabled
    else:
        enforced = settings.enforce_one_mfa_enrollment
        right = step.factors == tuple(kind for kind in enforced if kind in facts.available)
    return right and facts.available.issuperset(step.factors) and len(step.factors) > 0


def only_before_the_date_is_a_set_up_put_off(settings: Settings, facts: Facts, step: Step) -> bool:
    if not isinstance(step, SetUp) or not step.may_skip:
        return True
    if not facts.grace or not (facts.enrolled | facts.must_set_up).isdisjoint(step.factors):
        return False
    # Whoever holds a factor has shown something: putting off leaves no less than rule 6 asks.
    stood = stands_for_all(settings, facts) or on_device(settings, facts)
    backup = any(backed_up(settings, facts))
    return bool(not facts.enrolled or held_proofs(facts) or stood or backup)


def only_what_can_be_proven_is_asked(settings: Settings, facts: Facts, step: Step) -> bool:
    if not isinstance(step, Prove):
        return True
    usable = facts.enrolled & facts.available - facts.disabled - facts.proven
    passkey = facts.passkeys > 0 and facts.method != "passkey" and "passkey" not in facts.proven
    codes = facts.recovery_codes > 0 and settings.enable_recovery_code
    alternatives = {
        "passkey": passkey and settings.mfa_passkey_is_enough,
        "recovery_code": codes and facts.method != "recovery_code",
        "email_backup": settings.allow_email_mfa_as_backup
        and facts.email_verified
        and "email" in facts.available
        and not facts.backed_up
        and "email" not in required(settings, facts) | facts.enrolled
        and not {"otp", "sms"}.isdisjoint(facts.enrolled),
    }
    order = [*KINDS, "passkey"]
    asked = [order.index(kind) for kind in step.factors]
    return (
        bool(step.factors or step.alternatives)
        and asked == sorted(set(asked))
        and all(kind in usable or (kind == "passkey" and passkey) for kind in step.factors)
        and all(alternatives[one] for one in step.alternatives)
        and set(step.factors).isdisjoint(step.alternatives)
    )


def nobody_is_stuck_who_could_go_on(settings: Settings, facts: Facts, step: Step) -> bool:
    """With everything available, nothing disabled and a password, there is always a way."""
    easy = facts.method in ("password", "remembered", "external")
    return not isinstance(step, Stuck) or not easy or facts.available != ALL or bool(facts.disabled)


LAWS = (
    satisfied_exactly_where_nothing_is_owed,
    no_required_factor_is_spared,
    no_set_up_without_what_entitles_to_it,
    a_set_up_is_of_what_can_be_had,
    only_before_the_date_is_a_set_up_put_off,
    only_what_can_be_proven_is_asked,
    nobody_is_stuck_who_could_go_on,
)


# The laws of neighbours: one input more, or one less


@dataclasses.dataclass(frozen=True)
class Slice:
    """Values of the inputs that vary; the others keep those of `STILL`.

    Required factors always vary; `available` and `must_set_up` where they are given.
    """

    facts: dict[str, list[Any]]
    switches: dict[str, list[bool]]
    enforced: list[tuple[str, ...]] = dataclasses.field(default_factory=lambda: [("otp", "email")])
    held: list[tuple[Kinds, Kinds]] = dataclasses.field(
        default_factory=lambda: [(held, NONE) for held in EACH]
    )
    available: list[Kinds] = dataclasses.field(default_factory=lambda: [ALL])
    must_set_up: list[Kinds] = dataclasses.field(default_factory=lambda: [NONE])

    def groups(self) -> Iterator[tuple[list[Settings], list[list[Facts]]]]:
        """Settings by required factors, and facts by `must_set_up`, then by `available`."""
        for enforced in self.enforced:
            for switches in chosen(self.switches):
                by_required = [app(kinds, enforced, **(STILL | switches)) for kinds in EACH]
                for held, disabled in self.held:
                    for row in chosen(self.facts):
                        row |= {"enrolled": held, "disabled": disabled}
                        yield by_required, [
                            [Facts(**row, must_set_up=must, available=can)
                             for can in self.available]
                            for must in self.must_set_up
                        ]  # fmt: skip


STILL = {"mfa_recovery_code_is_enough": False, "mfa_external_sign_in_is_enough": False}


def chosen(values: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for each in product(*values.values()):
        yield dict(zip(values, each, strict=True))


BOTH = [False, True]
SOME_METHODS = ["password", "passkey", "recovery_code"]
WITH_PASSKEY = [*KINDS, "passkey"]
ANYTHING = [*KINDS, "passkey", "recovery_code"]

SLICES = {
    "proofs and email backups": Slice(
        facts={
            "method": SOME_METHODS,
            "passkeys": [0, 1],
            "proven": EACH,
            "backed_up": EACH,
            "email_verified": BOTH,
        },
        switches={
            "allow_email_mfa_as_backup": BOTH,
            "mfa_ask_every_enrolled": BOTH,
            "mfa_passkey_is_enough": [False],
        },
    ),
    "proofs and remembered devices": Slice(
        facts={
            "method": SOME_METHODS,
            "passkeys": [0, 1],
            "proven": EACH,
            "device": subsets(WITH_PASSKEY),
        },
        switches={
            "enable_mfa_remember_device": BOTH,
            "mfa_ask_every_enrolled": BOTH,
            "mfa_passkey_is_enough": [False],
        },
    ),
    "passkeys and recovery codes": Slice(
        facts={
            "method": [*METHODS],
            "passkeys": [0, 1],
            "recovery_codes": [0, 1],
            "proven": subsets(ANYTHING),
        },
        switches={
            "enable_recovery_code": BOTH,
            "mfa_ask_every_enrolled": BOTH,
            "mfa_passkey_is_enough": BOTH,
        },
    ),
    "backups and remembered devices together": Slice(
        facts={
            "method": ["password", "recovery_code"],
            "proven": [NONE, frozenset({"otp"}), frozenset({"email"})],
            "backed_up": EACH,
            "device": EACH,
        },
        switches={
            "allow_email_mfa_as_backup": [True],
            "enable_mfa_remember_device": [True],
            "mfa_ask_every_enrolled": BOTH,
        },
    ),
    "what is disabled and what is available": Slice(
        held=HELD_AND_DISABLED,
        available=EACH,
        facts={
            "method": SOME_METHODS,
            "passkeys": [0, 1],
            "recovery_codes": [1],
            "proven": EACH,
        },
        switches={"mfa_passkey_is_enough": [False], "enable_recovery_code": BOTH},
    ),
    "what is disabled and what stands in": Slice(
        held=HELD_AND_DISABLED,
        facts={
            "method": SOME_METHODS,
            "passkeys": [1],
            "proven": [NONE, *(frozenset({kind}) for kind in ANYTHING)],
            "device": EACH,
            "backed_up": [NONE, frozenset({"otp"})],
        },
        switches={
            "enable_recovery_code": [True],
            "enable_mfa_remember_device": [True],
            "mfa_passkey_is_enough": BOTH,
        },
    ),
    "each enrolled one and what is available": Slice(
        held=HELD_AND_DISABLED,
        available=EACH,
        facts={"method": ["password"], "passkeys": [0, 1], "proven": EACH},
        switches={"mfa_ask_every_enrolled": [True], "mfa_passkey_is_enough": BOTH},
    ),
    "what is demanded and what is available before the date": Slice(
        must_set_up=EACH,
        available=EACH,
        facts={
            "method": ["password", "remembered", "passkey"],
            "passkeys": [1],
            "proven": [NONE, frozenset({"otp"}), frozenset({"passkey"}), ALL],
            "grace": BOTH,
        },
        switches={"mfa_passkey_is_enough": [False]},
    ),
    "nothing held": Slice(
        held=[(NONE, NONE)],
        available=EACH,
        must_set_up=EACH,
        enforced=LISTS,
        facts={"method": [*METHODS], "grace": BOTH, "device": [NONE, ALL]},
        switches={"enable_mfa_remember_device": [True], "mfa_passkey_is_enough": [False]},
    ),
    "ways in that are enough by themselves": Slice(
        facts={
            "method": [*METHODS],
            "passkeys": [0, 1],
            "proven": [NONE, ALL],
            "grace": BOTH,
        },
        switches={name: BOTH for name in SWITCHES if name.startswith("mfa_")},
    ),
}  # fmt: skip


def broken(
    law: str, settings: Settings, facts: Facts, step: Step, before: Step | None = None
) -> str:
    shown = {
        name: getattr(settings, name)
        for name in (
            *(f"{kind}_mfa_is_required" for kind in KINDS),
            "enforce_one_mfa_enrollment",
            *SWITCHES,
        )
    }
    return f"{law}: {before or ''} {step}\n{facts}\n{shown}"


def judge(by_required: list[Settings], by_demand: list[list[Facts]]) -> set[type]:
    """Hold every law on a group of points; returns the sorts of steps seen."""
    steps = [
        [[next_step(settings, facts) for facts in row] for row in by_demand]
        for settings in by_required
    ]
    seen = set()
    for asked, settings in enumerate(by_required):
        for demanded, row in enumerate(by_demand):
            for left, facts in enumerate(row):
                step = steps[asked][demanded][left]
                seen.add(type(step))
                for law in LAWS:
                    assert law(settings, facts, step), broken(law.__name__, settings, facts, step)
                for more in range(left + 1, len(row)):
                    # Bits name members: `left` has less available where all its bits are in `more`.
                    fuller = steps[asked][demanded][more]
                    if left & more == left and lets_in(step):
                        name = "taking out of `available` let somebody in"
                        assert lets_in(fuller), broken(name, settings, facts, step, fuller)
                if not lets_in(step):
                    continue
                for fewer, less in smaller(asked, demanded):
                    before = steps[fewer][less][left]
                    # A passkey that opened the sign-in may, alone, put off what is required later.
                    if isinstance(step, Satisfied) or facts.enrolled:
                        name = "a requirement more let somebody in"
                        was = isinstance(before, Prove)
                        assert not was, broken(name, settings, facts, step, before)
    return seen


@cache
def smaller(asked: int, demanded: int) -> list[tuple[int, int]]:
    """Requirements, as bits, from which one more of either sort leads here."""
    return [
        *((asked & ~(1 << bit), demanded) for bit in range(3) if asked >> bit & 1),
        *((asked, demanded & ~(1 << bit)) for bit in range(3) if demanded >> bit & 1),
    ]


@pytest.mark.parametrize("name", SLICES)
def test_the_laws_hold_over_all_combinations_of(name: str) -> None:
    seen: set[type] = set()
    for by_required, by_demand in SLICES[name].groups():
        seen |= judge(by_required, by_demand)
    assert {Satisfied, SetUp, Stuck} <= seen
    assert (SignIn if name == "nothing held" else Prove) in seen


# Following what is offered


def after_each(settings: Settings, facts: Facts, step: Step) -> Iterator[Facts]:
    """The facts after each way to follow an offered step."""
    match step:
        case SignIn():
            yield dataclasses.replace(facts, method="password", proven=NONE, backed_up=NONE)
        case Prove(factors=factors, alternatives=alternatives):
            for kind in {*factors, *alternatives} - {"email_backup"}:
                left = facts.recovery_codes - (kind == "recovery_code")
                yield dataclasses.replace(facts, proven=facts.proven | {kind}, recovery_codes=left)
            if "email_backup" in alternatives:
                kind = backup_stands_for(settings, facts)
                assert kind in facts.enrolled
                yield dataclasses.replace(facts, backed_up=facts.backed_up | {kind})
        case SetUp(factors=factors):
            for kind in factors:
                yield dataclasses.replace(
                    facts,
                    enrolled=facts.enrolled | {kind},
                    disabled=facts.disabled - {kind},
                    proven=facts.proven | {kind},
                )


def longest(settings: Settings, facts: Facts, known: dict[Facts, int], so_far: int = 0) -> int:
    """The most steps to an end, whichever way each offered step is followed."""
    assert so_far <= MOST_STEPS, broken("too many steps", settings, facts, SignIn())
    if facts not in known:
        step = next_step(settings, facts)
        ways = after_each(settings, facts, step)
        known[facts] = max(
            (1 + longest(settings, then, known, so_far + 1) for then in ways), default=0
        )
    return known[facts]


@pytest.mark.parametrize("every", BOTH, ids=["any one asked", "each asked"])
@pytest.mark.parametrize("passkey_is_enough", BOTH, ids=["weak passkey", "strong passkey"])
@pytest.mark.parametrize("method", ["password", "remembered", "passkey", "recovery_code"])
def test_following_any_offered_step_ends_in_at_most_seven(
    method: str, passkey_is_enough: bool, every: bool
) -> None:
    most = 0
    for required_kinds, codes in product(EACH, BOTH):
        settings = app(
            required_kinds,
            KINDS,
            **STILL,
            enable_recovery_code=codes,
            mfa_passkey_is_enough=passkey_is_enough,
            mfa_ask_every_enrolled=every,
        )
        known: dict[Facts, int] = {}
        for (held, disabled), available, passkeys in product(HELD_AND_DISABLED, EACH, [0, 1]):
            facts = Facts(
                method=method,
                enrolled=held,
                disabled=disabled,
                available=available,
                passkeys=passkeys,
                recovery_codes=2,
            )
            most = max(most, longest(settings, facts, known))
    assert most <= MOST_STEPS
    assert (most == 0) is (method == "passkey" and passkey_is_enough)


# The whole space, at random

A_SET = st.frozensets(st.sampled_from(KINDS))
SETTINGS = st.builds(
    app,
    A_SET,
    st.sampled_from(LISTS),
    **{switch: st.booleans() for switch in SWITCHES},  # type: ignore[arg-type]
)
FACTS = st.builds(
    Facts,
    method=st.sampled_from(METHODS),
    enrolled=A_SET,
    disabled=A_SET,
    must_set_up=A_SET,
    passkeys=st.integers(0, 2),
    recovery_codes=st.integers(0, 2),
    available=A_SET,
    email_verified=st.booleans(),
    proven=st.frozensets(st.sampled_from(ANYTHING)),
    backed_up=A_SET,
    device=st.frozensets(st.sampled_from(WITH_PASSKEY)),
    grace=st.booleans(),
)


@hypothesis_settings(max_examples=1500, deadline=None)
@given(settings=SETTINGS, facts=FACTS)
def test_the_laws_hold_wherever_they_are_tried(settings: Settings, facts: Facts) -> None:
    by_required = [
        dataclasses.replace(
            settings,
            otp_mfa_is_required="otp" in kinds,
            sms_mfa_is_required="sms" in kinds,
            email_mfa_is_required="email" in kinds,
        )
        for kinds in (NONE, required(settings, Facts()))
    ]
    for kept in by_required:
        step = next_step(kept, facts)
        for law in LAWS:
            assert law(kept, facts, step), broken(law.__name__, kept, facts, step)
        for kind in facts.available:
            less = dataclasses.replace(facts, available=facts.available - {kind})
            assert lets_in(step) or not lets_in(next_step(kept, less))
        longest(kept, facts, {})
    for kind in KINDS:
        if isinstance(next_step(settings, facts), Prove):
            demanded = dataclasses.replace(facts, must_set_up=facts.must_set_up | {kind})
            asked = dataclasses.replace(settings, **{f"{kind}_mfa_is_required": True})
            assert not isinstance(next_step(settings, demanded), Satisfied)
            assert not isinstance(next_step(asked, facts), Satisfied)


# Step-up

LEVEL_2 = frozenset({"otp", "sms", "passkey"})


def asked_of(facts: Facts, factors: Kinds, phishing_resistant: bool) -> tuple[Kinds, Kinds]:
    """What is wanted and held, else the highest level held; and what is wanted."""
    held = facts.enrolled | ({"passkey"} if facts.passkeys else NONE)
    wanted = frozenset({"passkey"}) if phishing_resistant else factors
    return (wanted & held) or (held & LEVEL_2) or held, wanted


def recovery_session(facts: Facts) -> bool:
    held = facts.enrolled | ({"passkey"} if facts.passkeys else NONE)
    alone = facts.method == "recovery_code" and not held & facts.proven
    return alone or "recovery_code" in facts.proven


def step_up_is_right(
    settings: Settings,
    facts: Facts,
    step: StepUp,
    factors: Kinds,
    phishing_resistant: bool,
    fresh: Kinds,
    password_fresh: bool,
) -> bool:
    accepted, wanted = asked_of(facts, factors, phishing_resistant)
    absent = bool(wanted) and not wanted & accepted
    could = facts.available | ({"passkey"} if settings.allow_passkey_enrollment else NONE)
    usable = (facts.available - facts.disabled) | {"passkey"}
    if recovery_session(facts):
        return step == Stuck(reason="recovery_session")
    match step:
        case Satisfied():
            return not absent and (bool(accepted & fresh) or (not accepted and password_fresh))
        case NeedPassword():
            return not accepted and not password_fresh
        case Prove(factors=asked, alternatives=()):
            return not accepted & fresh and set(asked) == accepted & usable and bool(asked)
        case SetUp(factors=offered, may_skip=False):
            shown = accepted & fresh if accepted else password_fresh
            return absent and bool(shown) and set(offered) == wanted & could and bool(offered)
        case Stuck(reason="cannot_prove"):
            return bool(accepted) and not accepted & fresh and not accepted & usable
        case Stuck(reason="cannot_set_up"):
            return absent and not wanted & could
    return False


@pytest.mark.check("S07", "O16")
@pytest.mark.parametrize("passkeys", [0, 1])
@pytest.mark.parametrize("may_add_passkeys", BOTH)
def test_a_step_up_takes_only_a_fresh_proof_at_the_level_or_of_the_factor_that_is_asked(
    may_add_passkeys: bool, passkeys: int
) -> None:
    settings = dataclasses.replace(APP, allow_passkey_enrollment=may_add_passkeys)
    asks = [*((kinds, False) for kinds in subsets(WITH_PASSKEY)), (NONE, True), (ALL, True)]
    seen = set()
    for (held, disabled), available in product(HELD_AND_DISABLED, EACH):
        facts = Facts(
            enrolled=held, disabled=disabled, available=available, passkeys=passkeys, proven=ALL
        )
        for fresh, (factors, resistant) in product(subsets(WITH_PASSKEY), asks):
            for password in BOTH if not held and not passkeys else [True]:
                asked: dict[str, Any] = {
                    "factors": factors,
                    "phishing_resistant": resistant,
                    "fresh": fresh,
                    "password_fresh": password,
                }
                step = step_up(settings, facts, **asked)
                seen.add(type(step))
                assert step_up_is_right(settings, facts, step, **asked), f"{step}\n{facts}\n{asked}"
    assert {Satisfied, Prove, SetUp, Stuck} <= seen


@pytest.mark.check("S07")
@hypothesis_settings(max_examples=1500, deadline=None)
@given(
    settings=SETTINGS,
    facts=FACTS,
    factors=st.frozensets(st.sampled_from(WITH_PASSKEY)),
    phishing_resistant=st.booleans(),
    fresh=st.frozensets(st.sampled_from(WITH_PASSKEY)),
    password_fresh=st.booleans(),
)
def test_remembered_devices_recovery_codes_and_backups_never_count_for_a_step_up(
    settings: Settings, facts: Facts, **asked: Any
) -> None:
    step = step_up(settings, facts, **asked)
    assert step_up_is_right(settings, facts, step, **asked)
    bare = dataclasses.replace(facts, device=NONE, backed_up=NONE, recovery_codes=0)
    assert step_up(settings, bare, **asked) == step
    spent = dataclasses.replace(facts, proven=facts.proven | {"recovery_code"})
    assert step_up(settings, spent, **asked) == Stuck(reason="recovery_session")
