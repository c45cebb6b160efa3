"""The app of the quickstart, for the examples of other pages."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.documentation.examples import ROOT, examples


def make(folder: Path | None = None) -> None:
    """Write `app.py` into a folder (the current one), make its database, and let Ada join."""
    folder = folder or Path.cwd()
    source = next(one for one in examples(ROOT / "docs" / "quickstart.md") if one.name == "app.py")
    (folder / "app.py").write_text(source.code, encoding="utf-8")
    sys.modules.pop("app", None)
    from app import User, create_app, db  # type: ignore[import-not-found]

    with create_app({"DEBUG": True}).app_context():
        db.create_all()
        user = User(email="ada@example.org")
        user.set_password("correct horse")
        db.session.add(user)
        db.session.commit()
