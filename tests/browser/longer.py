"""A language whose texts are longer than ours, with long words: what German does to a layout."""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog

from tests.catalogues import DOMAIN, compiled, extracted

WORDS = "Zweifaktorauthentifizierungsverfahrensbestätigung"


def longer(text: str) -> str:
    """A text that is at least 40 % longer, short ones more, by one long word after another."""
    extra = max(len(text) * 2 // 5, min(len(text), 12))
    filler = (WORDS + " ") * (extra // len(WORDS) + 1)
    return f"{text} {filler[:extra].strip()}"


def make(folder: Path, language: str = "de") -> Path:
    """Write such a catalogue below `folder`, as gettext looks for it; returns `folder`."""
    catalog = Catalog(locale=language, domain=DOMAIN)
    for message in extracted():
        if isinstance(message.id, tuple | list):
            catalog.add(message.id, tuple(longer(text) for text in message.id))
        elif message.id:
            catalog.add(message.id, longer(message.id))
    target = folder / language / "LC_MESSAGES"
    target.mkdir(parents=True)
    (target / f"{DOMAIN}.mo").write_bytes(compiled(catalog))
    return folder
