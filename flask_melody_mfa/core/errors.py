"""Every error that this package raises on purpose.

    MfaError
    ├── ConfigError            the settings are wrong; lists every problem
    ├── InvalidRequest         400 invalid_request
    │   ├── UnsupportedDestination   unsupported_destination
    │   └── InvalidClient      a client's settings cannot take effect; says why
    ├── CsrfFailed             400 csrf_failed
    ├── NotAuthenticated       401 not_authenticated
    │   └── TokenRefused       no access token; with RFC 6749's own error
    ├── MfaRequired            401 mfa_required
    ├── WrongProof             401 invalid_code
    │   └── InvalidPasskey     invalid_passkey
    ├── StepUpRequired         403 step_up_required
    ├── NobodyCan              403 stuck
    ├── Forbidden              403 forbidden
    │   └── ClientDisabled     a client that is switched off
    ├── NotFound               404 not_found
    │   └── NotConfigured      not_configured
    ├── MethodNotAllowed       405 method_not_allowed
    ├── Conflict               409 conflict
    ├── ChallengeOver          410 challenge_over
    ├── TooLarge               413 too_large
    ├── UnsupportedType        415 unsupported_media_type
    ├── TooMany
    │   ├── Locked             429 locked
    │   └── Throttled          429 throttled
    └── Unavailable            503 unavailable
        ├── UnknownClient      a client that nobody declared, or whose settings cannot be read
        ├── CannotOpen         a sealed secret cannot be opened
        ├── NotDelivered       a message was not accepted by its provider
        └── HostBlocks         the host holds uncommitted writes that ours would wait for

Sentences for people live in `web/words.py`, by `code`; an error carries data, never a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class MfaError(Exception):
    """Root of the tree."""

    code: ClassVar[str] = "unavailable"
    status: ClassVar[int] = 503


class ConfigError(MfaError):
    """The settings are wrong. `problems` names each one with its remedy."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(("flask_melody_mfa is misconfigured:", *self.problems)))


class InvalidRequest(MfaError):
    """Malformed input. `errors`: field → reason code (a key of `words.REASONS`)."""

    code = "invalid_request"
    status = 400

    def __init__(self, errors: Mapping[str, str] | None = None) -> None:
        self.errors = dict(errors or {})
        super().__init__(self.code)


class UnsupportedDestination(InvalidRequest):
    """A number that may not receive SMS here."""

    code = "unsupported_destination"


class InvalidClient(InvalidRequest):
    """What a client says cannot take effect. `problems`: field → whole sentences."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(dict.fromkeys(problems, "invalid"))


class CsrfFailed(MfaError):
    """A form or JSON post without its CSRF token."""

    code = "csrf_failed"
    status = 400


class NotAuthenticated(MfaError):
    """No, or an invalid, session or credential."""

    code = "not_authenticated"
    status = 401


class TokenRefused(NotAuthenticated):
    """A token request that is refused. `error`: the name that RFC 6749 §5.2 has for it."""

    def __init__(self, error: str) -> None:
        self.error = error
        super().__init__(self.code)


class MfaRequired(MfaError):
    """The gate is owed."""

    code = "mfa_required"
    status = 401


class WrongProof(MfaError):
    """Wrong, expired, replayed or foreign: one answer for all.

    `hint` (`"clock"`) is set at enrollment only, where nobody's account can be probed.
    """

    code = "invalid_code"
    status = 401

    def __init__(self, hint: str | None = None) -> None:
        self.hint = hint
        super().__init__(self.code)


class InvalidPasskey(WrongProof):
    """A WebAuthn answer that does not hold, whatever is wrong with it: one answer for all."""

    code = "invalid_passkey"


class StepUpRequired(MfaError):
    """Signed in, but too weakly or too long ago for this."""

    code = "step_up_required"
    status = 403


class NobodyCan(MfaError):
    """Stuck: nobody could satisfy what is asked. `reason` says why."""

    code = "stuck"
    status = 403

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Forbidden(MfaError):
    """Known, and not permitted."""

    code = "forbidden"
    status = 403


class ClientDisabled(Forbidden):
    """The client is switched off: its gate lets nobody in, and its credentials are dead."""


class NotFound(MfaError):
    """Not there, or not yours."""

    code = "not_found"
    status = 404


class NotConfigured(NotFound):
    """Needs a hook or a setting that this app does not have."""

    code = "not_configured"


class MethodNotAllowed(MfaError):
    """The address is right, the method is not. `allowed`: those that are."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, allowed: Sequence[str]) -> None:
        self.allowed = tuple(allowed)
        super().__init__(self.code)


class TooLarge(MfaError):
    """A body of more bytes than anything here needs."""

    code = "too_large"
    status = 413


class UnsupportedType(MfaError):
    """A body of another type than the operation reads."""

    code = "unsupported_media_type"
    status = 415


class Conflict(MfaError):
    """A duplicate, the last required factor, or a lost race."""

    code = "conflict"
    status = 409


class ChallengeOver(MfaError):
    """The challenge is finished, cancelled, expired or unknown."""

    code = "challenge_over"
    status = 410


class TooMany(MfaError):
    """Try again later. `retry_after`: seconds, at least 1."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        self.retry_after = max(1, retry_after)
        super().__init__(self.code)


class Locked(TooMany):
    """Too many wrong proofs for this account."""

    code = "locked"


class Throttled(TooMany):
    """Too many messages or tries."""

    code = "throttled"


class Unavailable(MfaError):
    """Something that we need is down; nothing was granted."""

    retry_after: int = 5


class UnknownClient(Unavailable):
    """A view or hook names a client that is not there, or whose settings cannot be read."""


class CannotOpen(Unavailable):
    """A sealed secret cannot be opened: wrong or lost key, or moved bytes."""


class NotDelivered(Unavailable):
    """The provider did not take the message."""


class HostBlocks(Unavailable):
    """The host's own transaction holds the database; the message says what to commit."""
