"""What the embedded API reads and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from flask_melody_mfa.web.shapes import Code, Id, Moment, Name, Shape, encodable

FactorName = Literal["otp", "email", "sms"]
ProofName = Literal["otp", "email", "sms", "passkey", "recovery_code"]

Secret = Annotated[
    str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00]+$"), AfterValidator(encodable)
]
Login = Annotated[
    str, Field(min_length=1, max_length=320, pattern=r"^[^\x00-\x1f\x7f]+$"),
    AfterValidator(encodable),
]  # fmt: skip
Token = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z0-9._~+/=-]+$")]
Locale = Annotated[str, Field(min_length=2, max_length=16, pattern=r"^[A-Za-z]{2,3}([-_]\w+)*$")]


class SignInStep(Shape):
    """Nobody has signed in yet: ask for login and password, a passkey, or a recovery code."""

    type: Literal["sign_in"] = "sign_in"


class ProveStep(Shape):
    """One of `factors` must be proven now, the first one first; `alternatives` may stand in.

    `destination`: where a code of the first of `factors` that is sent goes, masked; the others'
    stand in `destinations`. An `email_backup` is sent and verified as `email`.
    """

    type: Literal["prove"] = "prove"
    factors: list[ProofName]
    alternatives: list[Literal["passkey", "recovery_code", "email_backup"]]
    destination: str | None = None
    destinations: dict[str, str]
    remember_device_allowed: bool = False


class SetUpStep(Shape):
    """One of `factors` must be set up now; with `may_skip`, it can be put off."""

    type: Literal["set_up"] = "set_up"
    factors: list[ProofName]
    may_skip: bool = False


class ReplaceStep(Shape):
    """Something stood in for one of `factors`, which may be lost: offer to replace it, once."""

    type: Literal["replace_factor"] = "replace_factor"
    factors: list[ProofName]


class PasskeyStep(Shape):
    """Offer a passkey, once."""

    type: Literal["passkey_prompt"] = "passkey_prompt"


class CodesStep(Shape):
    """Make recovery codes, show them, and say when they are saved."""

    type: Literal["recovery_codes"] = "recovery_codes"


class StuckStep(Shape):
    """Nothing that this person could do helps; `detail` says whom to ask."""

    type: Literal["stuck"] = "stuck"
    reason: str
    detail: str


class DoneStep(Shape):
    """Nothing is left: complete the session, or, in one that manages, go on managing."""

    type: Literal["done"] = "done"


NextStep = Annotated[
    SignInStep | ProveStep | SetUpStep | ReplaceStep | PasskeyStep | CodesStep | StuckStep
    | DoneStep,
    Field(discriminator="type"),
]  # fmt: skip


class Where(Shape):
    """Where a session stands. `status`: `complete` once nothing is left but to complete it."""

    session_id: Id
    status: Literal["pending", "complete"]
    next_step: NextStep
    expires_at: Moment
    device_token: str | None = None
    """Of the caller's remembered device, where it changed: keep it in place of the last."""


class Created(Where):
    """A new session. `session_token` goes into `Authorization: Bearer` of all the rest."""

    session_token: str


class OtpSetUp(Where):
    """What an authenticator app needs."""

    secret: str
    otpauth_uri: str
    qr_svg: str


class NewCodes(Where):
    """Recovery codes, shown this once."""

    recovery_codes: list[str]


class Completed(Shape):
    """The end: the host's token, or Flask-Login's session in the caller's cookies."""

    session_id: Id
    status: Literal["complete"] = "complete"
    token: Any = None


class Create(Shape):
    """What a new session is for. `device_token`: of a device that was remembered before."""

    client_id: Id | None = None
    locale: Locale | None = None
    device_token: Token | None = None
    purpose: Literal["sign_in", "manage"] = "sign_in"


class PasswordSignIn(Shape):
    """Login and password."""

    login: Login
    password: Secret


class RecoverySignIn(Shape):
    """Login and recovery code."""

    login: Login
    recovery_code: Code


class Enrollment(Shape):
    """Which factor to set up; or `later`, where it can be put off."""

    factor: ProofName | None = None
    later: bool = False


class Phone(Shape):
    """Where to send the code that confirms a number."""

    phone_number: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f]+$")]


class Verify(Shape):
    """A code. `remember_device`: do not ask for these factors here again, for a while."""

    code: Code
    remember_device: bool = False
    name: Name | None = None
    """What to call a new authenticator app."""


class VerifyRecoveryCode(Shape):
    """A recovery code."""

    code: Code


class CredentialJson(Shape):
    """What the browser's `PublicKeyCredential.toJSON()` gives."""

    credential: dict[str, Any]


class NewPasskey(CredentialJson):
    """A passkey that was just made, and what to call it."""

    name: Name | None = None


class Skip(Shape):
    """`dont_ask_again`: never offer a passkey after a sign-in again."""

    dont_ask_again: bool = False


class PasskeyOptions(Where):
    """Options for `parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`."""

    options: dict[str, Any]


class OwnFactor(Shape):
    """A factor as its owner may see it."""

    id: Id
    factor: FactorName
    name: str | None = None
    destination: str | None = None
    added_at: Moment
    last_used_at: Moment | None = None
    disabled: bool = False
    removable: bool = True


class OwnPasskey(Shape):
    """A passkey as its owner may see it."""

    id: Id
    name: str | None = None
    added_at: Moment
    last_used_at: Moment | None = None
    synced: bool


class OwnDevice(Shape):
    """A remembered device as its owner may see it."""

    id: Id
    user_agent: str | None = None
    address: str | None = None
    added_at: Moment
    last_used_at: Moment | None = None
    expires_at: Moment


class OwnAccount(Where):
    """What the signed-in user holds."""

    factors: list[OwnFactor]
    passkeys: list[OwnPasskey]
    recovery_codes_left: int
    devices: list[OwnDevice]


class Rename(Shape):
    """Another name."""

    name: Name
