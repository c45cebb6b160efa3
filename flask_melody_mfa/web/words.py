"""Texts in the reader's language: our own catalogues, and a sentence for every error code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babel import Locale, UnknownLocaleError, negotiate_locale
from babel.support import NullTranslations, Translations
from flask import current_app, g, request
from markupsafe import Markup

from flask_melody_mfa.web import door

DOMAIN = "flask_melody_mfa"
CATALOGUES = Path(__file__).parent.parent / "translations"


def mfa_lazy(message: str) -> str:
    """Mark a text for the catalogues; it is translated where it is shown."""
    return message


@lru_cache(maxsize=64)
def catalogue(locale: str) -> NullTranslations:
    """The catalogue of a locale; English needs none."""
    return Translations.load(str(CATALOGUES), [locale], DOMAIN)


class Texts:
    """Translates into one locale."""

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self._catalogue = catalogue(locale)

    def mfa_text(self, message: str, /, **values: Any) -> str:
        """A text, filled in. Values are escaped where the text is markup."""
        translated = self._catalogue.ugettext(message) if message else ""
        if isinstance(message, Markup):
            translated = Markup(translated)  # noqa: S704
        return translated % values if values else translated

    def mfa_ntext(self, singular: str, plural: str, num: int, /, **values: Any) -> str:
        """A text that depends on a number."""
        translated = self._catalogue.ungettext(singular, plural, num)
        return translated % {"num": num, **values}


@lru_cache(maxsize=16)
def languages(offered: tuple[str, ...]) -> tuple[Mapping[str, str], ...]:
    """The languages on offer, each by its own name."""
    found = []
    for code in offered:
        try:
            name = Locale.parse(code.replace("-", "_")).get_display_name()
        except (UnknownLocaleError, ValueError):
            continue
        found.append(MappingProxyType({"code": code, "name": (name or code).capitalize()}))
    return tuple(found)


def direction(locale: str) -> str:
    """Whether a language is written `ltr` or `rtl`, as the attribute `dir` has it."""
    return str(Locale.parse(locale.replace("-", "_")).text_direction)


def country_names(codes: Iterable[str], locale: str) -> list[str]:
    """Countries (ISO codes) by their names in a language, in its order as far as code points go."""
    names = Locale.parse(locale.replace("-", "_")).territories
    return sorted(names.get(code, code) for code in codes)


def match(wanted: list[str], offered: tuple[str, ...]) -> str | None:
    """The offered language that fits best; `zh-CN` finds `zh_Hans`, which `zh-TW` does not."""
    preferred = [simplified(name.replace("-", "_")) for name in wanted]
    return negotiate_locale(preferred, list(offered), sep="_")


def simplified(name: str) -> str:
    """`zh_Hans` for each name of simplified Chinese; any other name as it is."""
    folded = name.lower()
    plain = folded in ("zh", "zh_cn", "zh_sg") or folded.startswith("zh_hans")
    return "zh_Hans" if plain else name


def current_locale(offered: tuple[str, ...]) -> str:
    """The language of this request.

    First what was chosen on our pages, then the host's Babel, then `Accept-Language`.
    """
    chosen = g.get("_mfa_locale") or door.mark().get("l")
    if chosen in offered:
        return chosen
    if "babel" in current_app.extensions:
        import flask_babel

        locale = flask_babel.get_locale()
        if locale is not None:
            found = match([str(locale)], offered)
            if found:
                return found
    accepted = [value for value, quality in request.accept_languages if quality > 0]
    return match(accepted, offered) or offered[0]


ERRORS = {
    "invalid_request": mfa_lazy("Something in this form is not right."),
    "unsupported_destination": mfa_lazy("We cannot send messages to this number."),
    "csrf_failed": mfa_lazy("This page was open for too long. Please try again."),
    "not_authenticated": mfa_lazy("Please sign in."),
    "mfa_required": mfa_lazy("Please finish signing in."),
    "invalid_code": mfa_lazy("That code is not right. Check it and try again."),
    "invalid_passkey": mfa_lazy("That passkey did not work. Try again, or sign in another way."),
    "step_up_required": mfa_lazy("Please confirm that it is you."),
    "stuck": mfa_lazy("You cannot finish signing in."),
    "forbidden": mfa_lazy("You are not allowed to do this."),
    "not_found": mfa_lazy("There is nothing here."),
    "not_configured": mfa_lazy("This is not available here."),
    "method_not_allowed": mfa_lazy("This address does not do that."),
    "too_large": mfa_lazy("This is too large."),
    "unsupported_media_type": mfa_lazy("This address does not read data of this type."),
    "conflict": mfa_lazy("This was changed elsewhere in the meantime. Please try again."),
    "challenge_over": mfa_lazy("This sign-in is over. Please sign in again."),
    "locked": mfa_lazy("Too many wrong codes. Please wait before you try again."),
    "throttled": mfa_lazy("Too many requests. Please wait a little."),
    "unavailable": mfa_lazy("Something is not working right now. Please try again in a moment."),
}

REASONS = {
    "required": mfa_lazy("Enter the code."),
    "malformed": mfa_lazy("Enter the digits of the code, nothing else."),
    "too_long": mfa_lazy("This is too long."),
    "invalid": mfa_lazy("This is not valid."),
    "country": mfa_lazy("We cannot send messages to numbers of this country."),
    "number_type": mfa_lazy("Enter the number of a mobile phone."),
    "number": mfa_lazy("Enter a phone number with its country code, like +44 7400 123456."),
    "number_required": mfa_lazy("Enter a phone number."),
    "password": mfa_lazy("Enter your password."),
    "login": mfa_lazy("Enter your email address or user name."),
    "email": mfa_lazy("Your account has no email address that can receive codes."),
    "clock": mfa_lazy(
        "The code is right for another time. Set the clock of your phone to automatic and try "
        "again."
    ),
    "last_try": mfa_lazy("That was the last try. Please sign in again."),
    "not_delivered": mfa_lazy("The message could not be sent. Please try again in a moment."),
    "choose": mfa_lazy("Choose one of these."),
    "missing": mfa_lazy("This is missing."),
    "unknown": mfa_lazy("There is no such field here."),
    "type": mfa_lazy("This has the wrong type."),
    "passkey": mfa_lazy("This is not the answer of a passkey."),
    "name_required": mfa_lazy("Enter a name."),
    "too_short": mfa_lazy("This is too short."),
}

LOCKED_HELP = mfa_lazy(
    "There were too many wrong codes. If it was not you, someone may know your password: change it."
)

STUCK = {
    "recovery_session": mfa_lazy(
        "You signed in with a recovery code. For this, sign out and sign in again with one of your "
        "usual sign-in steps."
    ),
    "recovery_needs_factor": mfa_lazy(
        "A recovery code alone is not enough here: one of your other sign-in steps is needed, too."
    ),
}
NOT_IN_THIS_SESSION = frozenset({"recovery_session"})
"""Reasons that concern one act; the sign-in itself is finished."""

STUCK_OTHERWISE = mfa_lazy(
    "Your account needs a second sign-in step that you cannot use or set up right now."
)
