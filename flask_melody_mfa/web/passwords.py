"""Passwords, checked in the host's way: the same answer and time for a login that nobody has."""

from __future__ import annotations

import time
from typing import Any

from werkzeug.security import check_password_hash, generate_password_hash

from flask_melody_mfa.core.errors import NotConfigured
from flask_melody_mfa.core.types import Account
from flask_melody_mfa.web.state import State
from flask_melody_mfa.web.users import password_checker

LONGEST_WAIT = 2.0
"""Seconds."""

_nobody: list[str] = []


def is_right(here: State, user: Any, password: str) -> bool:
    """Whether a password is the user's. Raises `NotConfigured` where nothing can tell."""
    check = here.password_check(user)
    if check is None:
        raise NotConfigured
    return check(password)


def can_check(here: State) -> bool:
    """Whether this app lets us look a login up and check its password."""
    finds = here.hooks.find_user is not None or here.users.model is not None
    model = here.users.model
    checks = here.hooks.check_password is not None or (
        model is not None and password_checker(model) is not None
    )
    return finds and checks


def account_for(here: State, login: str, password: str) -> Account | None:
    """Whose login and password these are; None for nobody's, after as long as for a wrong one."""
    user = here.find_user(login)
    began = time.perf_counter()
    if user is None:
        waste(here, password)
        return None
    right = is_right(here, user, password)
    here.password_seconds = min(time.perf_counter() - began, LONGEST_WAIT)
    return here.describe(user) if right else None


def waste(here: State, password: str) -> None:
    """Take the time that a check took the last time, or a check of our own where there was none."""
    if here.password_seconds is not None:
        time.sleep(here.password_seconds)
        return
    if not _nobody:
        _nobody.append(generate_password_hash("nobody has this password"))
    check_password_hash(_nobody[0], password)
