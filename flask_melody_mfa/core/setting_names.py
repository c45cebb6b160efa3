"""Names in a config that look like ours and are not: a misspelt setting would protect nobody."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

OURS = ("MFA_", "OTP_MFA_", "EMAIL_MFA_", "SMS_MFA_")
"""Beginnings that only we use."""

FOREIGN = (
    "APPLICATION_", "BABEL_", "CACHE_", "CELERY_", "JWT_", "LOGIN_", "MAIL_", "MAX_", "OAUTH_",
    "RATELIMIT_", "RATE_LIMIT_", "REMEMBER_COOKIE_", "SECRET_", "SECURITY_", "SESSION_",
    "SQLALCHEMY_", "TEMPLATES_", "TRUSTED_", "TWILIO_", "WTF_",
)  # fmt: skip
"""Beginnings that are others' names, however close one of theirs may be to one of ours."""

FILLERS = frozenset({"A", "AS", "IS", "ONE", "PER"})

LONGEST = 80
CLOSE, CLOSE_WITH_MFA = 0.88, 0.75


def _words(name: str) -> list[str]:
    return sorted(word for word in name.split("_") if word and word not in FILLERS)


def meant(name: str, known: Iterable[str]) -> str | None:
    """The name of ours that `name` probably means: same words, same letters, or few apart."""
    spelt = name.upper().replace("-", "_").replace(" ", "_").strip("_")
    best, best_ratio = None, CLOSE_WITH_MFA if "MFA" in spelt.split("_") else CLOSE
    matcher = SequenceMatcher(None, "", spelt, autojunk=False)
    for ours in known:
        if spelt == ours or _words(spelt) == _words(ours):
            return ours
        if spelt.replace("_", "") == ours.replace("_", ""):
            return ours
        matcher.set_seq1(ours)
        if matcher.real_quick_ratio() < best_ratio or matcher.quick_ratio() < best_ratio:
            continue
        ratio = matcher.ratio()
        if ratio >= best_ratio:
            best, best_ratio = ours, ratio
    return best


def name_problem(name: object, known: Iterable[str]) -> str | None:
    """What is wrong with a config's name, with its remedy; None if it is ours or not our affair."""
    if not isinstance(name, str):
        return None
    known = tuple(known)
    if name in known:
        return None
    upper = name.upper()
    is_ours = upper.startswith(OURS)
    if upper.startswith(FOREIGN) and "MFA" not in upper.split("_"):
        return None
    guess = meant(name, known) if len(name) <= LONGEST else None
    if guess is None:
        return f"{name}: there is no such setting; remove it" if is_ours else None
    verb = "there is no such setting" if is_ours else "is close to a setting of ours"
    return f"{name}: {verb}; did you mean {guess}? Rename or remove it"
