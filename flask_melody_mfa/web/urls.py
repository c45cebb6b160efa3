"""Where a browser may be sent: paths of this origin, and nothing else."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

LONGEST = 4000


def safe_path(target: str | None) -> str | None:
    """A same-origin path (with query), or None for anything that could leave the site.

    Browsers drop tabs and newlines and read a backslash as a slash, so a target with any of
    them is refused, wherever it stands.
    """
    if not target or len(target) > LONGEST or target[0] != "/":
        return None
    if target[:2] in ("//", "/\\") or "\\" in target:
        return None
    if any(ord(char) <= 0x20 or 0x7F <= ord(char) <= 0x9F for char in target):
        return None
    try:
        parts = urlsplit(target)
        encoded = quote(target, safe="/?&=#%:@!$'()*+,;[]~-._")
    except (ValueError, UnicodeEncodeError):
        return None
    if parts.scheme or parts.netloc:
        return None
    return encoded


def same_origin_path(url: str | None, host_url: str) -> str | None:
    """An absolute or relative URL of this origin as a path, or None.

    `host_url`: scheme and host of the request, as Werkzeug gives it.
    """
    if not url or len(url) > LONGEST:
        return None
    if url.startswith("/"):
        return safe_path(url)
    try:
        parts, here = urlsplit(url), urlsplit(host_url)
    except ValueError:
        return None
    if (parts.scheme, parts.netloc) != (here.scheme, here.netloc) or not parts.netloc:
        return None
    query = f"?{parts.query}" if parts.query else ""
    return safe_path((parts.path or "/") + query)
