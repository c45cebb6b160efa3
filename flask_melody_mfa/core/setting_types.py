"""Parsers of single settings: what came from a config or an environment → a typed value.

Each takes the raw value and returns the typed one, or raises `BadValue` with the remedy. None of
them repeats an address or a key in its message: they may hold passwords.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from email.utils import formataddr
from typing import Any

from flask_melody_mfa.core.types import SECOND, FactorKind, Instant

Parse = Callable[[Any], Any]

LONGEST_TEXT = 10_000
MANY = 1_000_000
DECADE = 10 * 366 * 86_400

TRUE = frozenset({"true", "1", "yes", "on"})
FALSE = frozenset({"false", "0", "no", "off"})

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_ITEM = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^,"'\[\]()][^,]*?|))\s*(?:,|\Z)""")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class BadValue(ValueError):
    """A value that a setting cannot have; its text is the remedy."""


def shown(value: object) -> str:
    """A value as an error may show it: plain ones, shortened; of others the type only."""
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else "a huge number"
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else f"{value[:57]!r}…"
    return f"a {type(value).__name__}"


def boolean(value: Any) -> bool:
    """True or False, or text that says so: true, false, 1, 0, yes, no, on, off."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return value == 1
    if isinstance(value, str):
        word = value.strip().lower()
        if word in TRUE:
            return True
        if word in FALSE:
            return False
    raise BadValue(f"is {shown(value)}; set True or False")


def whole(least: int, most: int, unit: str = "") -> Parse:
    """A whole number, or text that is one. With `unit` "seconds" a `timedelta` too."""
    wanted = f"a whole number of {unit}" if unit else "a whole number"
    bounds = f"set {wanted} from {least} to {most}"

    def parse(value: Any) -> int:
        number: int | None = None
        if isinstance(value, int) and not isinstance(value, bool):
            number = int(value)
        elif isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            number = int(value.strip())
        elif unit == "seconds" and isinstance(value, timedelta):
            if value % timedelta(seconds=1):
                raise BadValue(f"has a fraction of a second; {bounds}")
            number = value // timedelta(seconds=1)
        if number is None or not least <= number <= most:
            raise BadValue(f"is {shown(value)}; {bounds}")
        return number

    return parse


def idle_seconds(value: Any) -> int:
    """0, or at least 60 seconds: a shorter one would end a session between two clicks."""
    seconds: int = whole(0, DECADE, "seconds")(value)
    if 0 < seconds < 60:
        raise BadValue(f"is {seconds}; set 0 (never), or at least 60 seconds")
    return seconds


def text(value: Any) -> str:
    """One line of text, not blank."""
    if not isinstance(value, str):
        raise BadValue(f"is {shown(value)}; set a text")
    line = value.strip()
    if not line:
        raise BadValue("is blank; set a text, or leave it out")
    if len(line) > LONGEST_TEXT or _CONTROL.search(line):
        raise BadValue("is too long or holds control characters; set one line of text")
    return line


def clients(value: Any) -> Mapping[Any, Any]:
    """A dict; what is in it is read when all other settings are known."""
    if not isinstance(value, Mapping):
        raise BadValue(f"is a {type(value).__name__}; set a dict of client id → overrides")
    return value


def secret_text(value: Any) -> str:
    """One line of text that no error repeats."""
    if not isinstance(value, str):
        raise BadValue(f"is a {type(value).__name__}; set a text")
    return text(value)


def shaped(pattern: str, remedy: str) -> Parse:
    """Text that matches `pattern` as a whole."""
    expression = re.compile(pattern, re.ASCII)

    def parse(value: Any) -> str:
        line = text(value)
        if not expression.fullmatch(line):
            raise BadValue(f"is {shown(line)}; {remedy}")
        return line

    return parse


def or_none(parse: Parse) -> Parse:
    """None, or what `parse` takes. Blank text is None: an environment cannot say it otherwise."""

    def parse_or_none(value: Any) -> Any:
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        return parse(value)

    return parse_or_none


def split(value: Any) -> list[Any]:
    """The items of a list, tuple or set, or of its text: `otp,email` or `['otp', 'email']`."""
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if not isinstance(value, str):
        raise BadValue(f"is {shown(value)}; set a list")
    if len(value) > LONGEST_TEXT:
        raise BadValue("is too long; set a list")
    line = value.strip()
    if line[:1] + line[-1:] in ("[]", "()"):
        line = line[1:-1].strip()
    line = line.removesuffix(",")
    items: list[str] = []
    at = 0
    while line and at <= len(line):
        found = _ITEM.match(line, at)
        if found is None:
            raise BadValue("cannot be read; write a list as otp,email or ['otp', 'email']")
        items.append(next((part for part in found.groups() if part is not None), "").strip())
        if found.end() == len(line) and not found.group().endswith(","):
            break
        at = found.end()
    return items


def items_of(parse: Parse, *, least: int = 0) -> Parse:
    """A list whose every item `parse` takes, without duplicates, in the order given."""

    def parse_items(value: Any) -> tuple[Any, ...]:
        items: list[Any] = []
        for item in split(value):
            try:
                items.append(parse(item))
            except BadValue as error:
                raise BadValue(f"has an item that {error}") from None
        if len(set(items)) != len(items):
            raise BadValue("names something twice; name each once")
        if len(items) < least:
            raise BadValue(f"is too short; name at least {least}")
        return tuple(items)

    return parse_items


def one_of(*names: str) -> Parse:
    """One of these words."""

    def parse(value: Any) -> str:
        if isinstance(value, str) and value.strip() in names:
            return value.strip()
        raise BadValue(f"is {shown(value)}; choose from {', '.join(names)}")

    return parse


def enforceable(value: Any) -> FactorKind:
    """A factor that can be enforced: otp, email or sms."""
    return FactorKind(one_of(FactorKind.OTP, FactorKind.EMAIL, FactorKind.SMS)(value))


def country(value: Any) -> str:
    """An ISO 3166-1 alpha-2 code by its shape; what it stands for is for the SMS factor."""
    code = text(value)
    if code == "UK":
        raise BadValue("is 'UK'; the ISO code is 'GB'")
    if not re.fullmatch("[A-Z]{2}", code, re.ASCII):
        raise BadValue(f"is {shown(code)}; write two upper-case letters (ISO 3166-1), as in 'US'")
    return code


def instant(value: Any) -> Instant:
    """A date (its midnight, UTC), a datetime (UTC if it names no zone) or ISO 8601 text."""
    moment: date | None = None
    if isinstance(value, date):
        moment = value
    elif isinstance(value, str):
        for read in (date.fromisoformat, datetime.fromisoformat):
            try:
                moment = read(value.strip())
                break
            except ValueError:
                continue
    if moment is None:
        raise BadValue(f"is {shown(value)}; set a date, a datetime or text as in '2030-01-31'")
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if moment.utcoffset() is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * SECOND


def mail_sender(value: Any) -> str:
    """An address, `Name <address>`, or Flask-Mail's pair of name and address."""
    if isinstance(value, list | tuple) and len(value) == 2:
        try:
            value = formataddr((text(value[0]), text(value[1])))
        except UnicodeEncodeError:
            raise BadValue("has an address outside ASCII; write its domain in punycode") from None
    line = text(value)
    if "@" not in line:
        raise BadValue(f"is {shown(line)}; set an address, as in 'Example <no-reply@example.org>'")
    return line


def key(value: Any) -> str:
    """A secret key of at least 32 characters (bytes: 32 bytes)."""
    secret = any_key(value)
    if len(value) < 32:
        raise BadValue(
            f"has {len(value)} characters; make one of at least 32 with "
            "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return secret


def any_key(value: Any) -> str:
    """A secret key of any length but none. Bytes that are no UTF-8 are read as Latin-1."""
    if not isinstance(value, str | bytes):
        raise BadValue(f"is a {type(value).__name__}; set text or bytes")
    if not value:
        raise BadValue("is empty; set a random text")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadValue("is not valid text; set it as bytes") from None
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def keys(value: Any) -> tuple[str, ...] | None:
    """The keys, newest first. Blank or empty is as unset: None."""
    if not isinstance(value, str | bytes | list | tuple):
        raise BadValue(f"is a {type(value).__name__}; set a list of texts, newest first")
    items: Iterable[Any] = [value] if isinstance(value, bytes) else split(value)
    found: list[str] = []
    for place, item in enumerate(items, 1):
        try:
            found.append(key(item))
        except BadValue as error:
            raise BadValue(f"has a key (number {place}) that {error}") from None
    return tuple(dict.fromkeys(found)) or None
