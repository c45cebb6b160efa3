"""Every setting, with its default and what it means."""

from __future__ import annotations

from typing import Any

from flask_melody_mfa.core.declared import CLIENT_FIELDS, DECLARED, Setting

OPENING = """\
# Settings

All of them are names in `app.config`. They are checked together when the extension is set up: one
`ConfigError` lists every problem with its remedy, also an unknown `MFA_*` name and any name that
is close to one of these. They freeze at the first request.

Booleans, numbers and lists may also come as text, as from an environment: `"true"`, `"10"`,
`"otp,email"` or `"['otp','email']"`; seconds may be a `timedelta`. Blank text leaves a setting
unset where its default is `None`.

◆ a client may override it. ● `use_system_mfa_config` governs it (see below).

| name | default | unit | meaning |
|---|---|---|---|
"""

CLOSING = """
## Settings of a client

A client (an entry of `MFA_CLIENTS`) may override what is marked ◆, by the setting's name in upper
or lower case. Beside these it may say:
{fields}.

`use_system_mfa_config` governs the five marked ●. True: the app's values hold. False: the client's
own hold; what it leaves unset is off, and `ENFORCE_ONE_MFA_ENROLLMENT` is empty. Its default is
false if the client gives any of the five, else true; giving one beside an explicit true is an
error. The other ◆ values override one by one in both cases.

`flask_melody_mfa.core.settings.Settings.source_of(name)` says where an effective value came from:
`default`, `app`, `client code` or `client database`.
"""


def default_of(setting: Setting) -> str:
    """The default as Python text, and what is derived in its place."""
    return setting.derived or f"`{_python(setting.default)}`"


def _python(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_python(str(item)) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def page() -> str:
    """docs/settings.md"""
    rows = []
    for setting in DECLARED:
        marks = ("◆" if setting.overridable else "") + ("●" if setting.system else "")
        name = f"`{setting.name}` {marks}".strip()
        rows.append(f"| {name} | {default_of(setting)} | {setting.unit} | {setting.doc} |\n")
    fields = [f"`{name}`" for name in CLIENT_FIELDS]
    listed = ", ".join(fields[:-1]) + " and " + fields[-1]
    closing = CLOSING.replace("{fields}", listed)
    return OPENING + "".join(rows) + closing
