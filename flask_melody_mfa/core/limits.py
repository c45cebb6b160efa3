"""The numbers and arithmetic of limits."""

from __future__ import annotations

import ipaddress

from flask_melody_mfa.core.types import DAY, HOUR, MINUTE, Instant

FIRST_LOCK: Instant = 15 * MINUTE
LONGEST_LOCK: Instant = DAY
JUDGING: Instant = 30_000
"""How long the last tries of an account may be under judgement, before the lock is theirs."""

FACTOR_CAP = 100
"""Failures of one factor in a row before it is disabled (NIST SP 800-63B-4 §3.2.2)."""

FAILING_NOTICE_AT = 3
"""The wrong proof after a right password that is told to the user."""

NOTICE_PAUSE: Instant = DAY
REPLACED_ADDRESS_KEPT: Instant = 30 * DAY

SIGN_IN_WINDOW: Instant = 15 * MINUTE
"""In which `MFA_SIGN_IN_THRESHOLD` failures of one login text are allowed."""

ADDRESS_FAILURES = 30
ADDRESS_FAILURES_WINDOW: Instant = 10 * MINUTE
ADDRESS_MESSAGES = 20
ADDRESS_MESSAGES_WINDOW: Instant = HOUR
MESSAGES_WINDOW: Instant = 30 * MINUTE
EMAILS_PER_DAY = 30
SMS_PER_DAY = 10

SKEW: Instant = MINUTE
"""How far the clocks of an app's servers may disagree: what one did a moment ago may lie that far
in the future of another."""

LARGEST_BODY = 65_536
"""Bytes of a request's body. Nothing that is read comes near."""

OTP_CREDENTIALS = 5
PASSKEYS = 20

CEREMONY: Instant = 5 * MINUTE
"""Life of a WebAuthn challenge (Level 3 §15.1 recommends five to ten minutes)."""
ADDRESS_CEREMONIES = 300
ADDRESS_CEREMONIES_WINDOW: Instant = 10 * MINUTE
"""Ceremonies that one address may begin without signing in: each view of a login form is one."""

POLICY_VISIT: Instant = 30 * MINUTE
"""How long a visit to a policy page may take; what it changes asks for a fresh proof besides."""
POLICY_STATE = 512
"""Characters of the `state` that an application gets back."""


def lock_length(level: int) -> Instant:
    """How long the lock lasts that follows `level` earlier ones: 15 minutes, doubling to 24 h."""
    return min(FIRST_LOCK << min(max(level, 0), 16), LONGEST_LOCK)


def network_of(address: str | None) -> str:
    """What an address is counted as: an IPv4 address, or the /64 that an IPv6 address is in.

    Whoever cannot be told apart is counted together, so garbage never escapes a limit.
    """
    try:
        parsed = ipaddress.ip_address((address or "").split("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address) + "/64"
    return str(parsed)


def seconds(length: Instant) -> int:
    """A length of time in whole seconds, rounded up."""
    return -(-length // 1000)
