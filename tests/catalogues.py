"""Hold the catalogues against the texts in the code: `python -m tests.catalogues [--update]`.

Without `--update`: fails when a text is missing, untranslated or fuzzy in any shipped language,
when a placeholder differs, or when a compiled catalogue is older than its source.
"""

from __future__ import annotations

import ast
import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "flask_melody_mfa"
FOLDER = PACKAGE / "translations"
DOMAIN = "flask_melody_mfa"
LANGUAGES = ("fr", "zh_Hans")
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "mfa_text": None,
    "mfa_lazy": None,
    "mfa_ntext": (1, 2),
}
TEMPLATES = [
    ("templates/**.html", "jinja2"),
    ("templates/**.txt", "jinja2"),
]
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}")


def extracted() -> Catalog:
    """Every text in the code."""
    catalog = Catalog(domain=DOMAIN, project="flask-melody-mfa", charset="utf-8")
    for filename, line, message, comments, context in extract_from_dir(
        str(PACKAGE), TEMPLATES, keywords=KEYWORDS
    ):
        catalog.add(message, None, [(filename, line)], auto_comments=comments, context=context)
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, texts in in_python(path.read_text()):
            message = texts if len(texts) > 1 else texts[0]
            catalog.add(message, None, [(str(path.relative_to(PACKAGE)), line)])
    return catalog


def in_python(source: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The texts of a module: what the functions of `KEYWORDS` are called with, word for word.

    Read from the syntax tree: Babel's reader also takes the key in `mfa_text(ERRORS["locked"])`.
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name not in KEYWORDS:
            continue
        wanted = node.args[: len(KEYWORDS[name] or (1,))]
        texts = [one.value for one in wanted if isinstance(one, ast.Constant) and one.value]
        if len(texts) == len(wanted):
            yield node.lineno, tuple(texts)


def load(language: str) -> Catalog:
    """A language's catalogue, empty if there is none yet."""
    path = FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    if not path.exists():
        return with_header(Catalog(locale=language, domain=DOMAIN))
    with path.open("rb") as file:
        return with_header(read_po(file, locale=language, domain=DOMAIN))


def with_header(catalog: Catalog) -> Catalog:
    """A catalogue whose header tells nothing that changes from one update to the next."""
    catalog.project, catalog.version = "flask-melody-mfa", ""
    catalog.header_comment = f"# {catalog.locale_identifier}: texts of flask-melody-mfa."
    catalog.creation_date = catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    catalog.last_translator = catalog.language_team = catalog.msgid_bugs_address = ""
    catalog.fuzzy = False
    return catalog


def compiled(catalog: Catalog) -> bytes:
    """A catalogue in machine form."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def texts_in(machine_form: bytes) -> dict[Any, Any]:
    """The texts of a compiled catalogue, without its header, which names the compiler."""
    found = read_mo(io.BytesIO(machine_form))
    return {str(message.id): message.string for message in found if message.id}


def save(language: str, catalog: Catalog) -> None:
    """Write a catalogue and its machine form."""
    folder = FOLDER / language / "LC_MESSAGES"
    folder.mkdir(parents=True, exist_ok=True)
    with_header(catalog)
    with (folder / f"{DOMAIN}.po").open("wb") as file:
        write_po(file, catalog, width=0, no_location=True, omit_header=False, sort_output=True)
    (folder / f"{DOMAIN}.mo").write_bytes(compiled(catalog))


def texts_of(message: Message) -> list[str]:
    """All translations of one message."""
    string = message.string
    return list(string) if isinstance(string, tuple | list) else [string]


def problems(language: str, template: Catalog) -> list[str]:
    """What is wrong with a language's catalogue."""
    catalog = load(language)
    found = []
    for message in template:
        if not message.id:
            continue
        identity = message.id[0] if isinstance(message.id, tuple | list) else message.id
        have = catalog.get(identity)
        if have is None or not all(texts_of(have)) or have.fuzzy:
            found.append(f"{language}: not translated: {identity!r}")
            continue
        wanted = set(PLACEHOLDER.findall(identity)) - {"%(num)d"}
        for text in texts_of(have):
            if set(PLACEHOLDER.findall(text)) - {"%(num)d"} != wanted:
                found.append(f"{language}: other placeholders: {text!r}")
    path = FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.mo"
    if not path.exists() or texts_in(path.read_bytes()) != texts_in(compiled(catalog)):
        found.append(f"{language}: the compiled catalogue is out of date")
    return found


def main(arguments: list[str]) -> int:
    """Update or check."""
    template = extracted()
    if "--update" in arguments:
        for language in LANGUAGES:
            catalog = load(language)
            catalog.update(template, no_fuzzy_matching=True)
            catalog.obsolete.clear()
            save(language, catalog)
    found = [problem for language in LANGUAGES for problem in problems(language, template)]
    print("\n".join(found) or f"{len(template)} texts, complete in {', '.join(LANGUAGES)}")
    return 1 if found and "--update" not in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
