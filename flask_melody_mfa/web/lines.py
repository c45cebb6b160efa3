"""Foreign text on one line: nothing in it can start a new line, a header or a log entry."""

from __future__ import annotations

import re
import unicodedata

# Cc: controls (CR, LF, NUL, ESC); Cs: lone surrogates; Zl, Zp: line and paragraph separators.
_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
# They turn the reading direction of what follows them (Unicode Standard Annex 9).
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_FAMILIES = (
    ("Edge", re.compile(r"\bEdg(?:e|A|iOS)?/")),
    ("Opera", re.compile(r"\bOPR/|\bOpera\b")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/")),
    ("Chrome", re.compile(r"\b(?:(?:Headless)?Chrome|Chromium|CriOS)/")),
    ("Safari", re.compile(r"\bSafari/")),
)
_SYSTEMS = (
    ("Android", re.compile(r"\bAndroid\b")),
    ("iPhone", re.compile(r"\biPhone\b")),
    ("iPad", re.compile(r"\biPad\b")),
    ("Windows", re.compile(r"\bWindows\b")),
    ("macOS", re.compile(r"\bMac OS X\b|\bMacintosh\b")),
    ("ChromeOS", re.compile(r"\bCrOS\b")),
    ("Linux", re.compile(r"\bLinux\b|\bX11\b")),
)
_PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,30}(?:/\d[\d.]{0,15})?(?=[\s(;,]|\Z)")


def is_text(value: str) -> bool:
    """Whether a text holds only what a text field may: no NUL, no lone surrogate."""
    return "\x00" not in value and not any(0xD800 <= ord(char) <= 0xDFFF for char in value)


def one_line(text: object, limit: int = 200) -> str:
    """A text of at most `limit` characters, what could break a line written as `\\x0a`."""
    out: list[str] = []
    length = 0
    for char in str(text)[: limit + 1]:
        if unicodedata.category(char) in _BREAKING or char in _TURNING:
            code = ord(char)
            char = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
        length += len(char)
        if length > limit:
            return "".join(out)[: limit - 1] + "…"
        out.append(char)
    return "".join(out)


def browser(user_agent: str | None) -> tuple[str, str]:
    """Browser and system of a `User-Agent` header (RFC 9110 §10.1.5), each "" when unknown.

    Only known names and one bare product token come out of it, never a sentence: whoever
    causes a message also writes this header, and must not write the message.
    """
    line = (user_agent or "")[:512]
    family = next((name for name, pattern in _FAMILIES if pattern.search(line)), "")
    system = next((name for name, pattern in _SYSTEMS if pattern.search(line)), "")
    if not family:
        product = _PRODUCT.match(line)
        name = product.group() if product else ""
        family = "" if name.startswith("Mozilla") else name
    return family, system
