"""How Alembic reaches Fernleaf's database: through the app that Flask-Migrate runs in."""

from __future__ import annotations

from typing import Any

from alembic import context
from flask import current_app

db: Any = current_app.extensions["migrate"].db


def run_offline() -> None:
    """Write the statements instead of running them."""
    url = db.engine.url.render_as_string(hide_password=False)
    context.configure(url=url, target_metadata=db.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def drop_empty(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Write no revision when nothing has changed."""
    options = context.config.cmd_opts
    if getattr(options, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives.clear()


def run_online() -> None:
    """Run the migrations."""
    options: dict[str, Any] = dict(current_app.extensions["migrate"].configure_args)
    options.setdefault("process_revision_directives", drop_empty)
    options.setdefault("render_as_batch", db.engine.dialect.name == "sqlite")
    with db.engine.connect() as connection:
        context.configure(connection=connection, target_metadata=db.metadata, **options)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
