"""Our schema in the host's database: which steps it has, and how it gets the rest.

Steps only ever add. Each is safe to run again: what is there already is compared column by
column and adopted, or refused with the difference. `mfa_meta` holds the number of the last step.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Connection, Index, MetaData, Table, event, insert, inspect, select, update
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.types import String

from flask_melody_mfa.store.steps import STEPS

log = logging.getLogger("flask_melody_mfa")

VERSION = len(STEPS)
META = "mfa_meta"
NAME = "schema"


class SchemaDiffers(RuntimeError):
    """Tables with our names are there and are not ours. `differences` names each column."""

    def __init__(self, differences: list[str]) -> None:
        self.differences = differences
        super().__init__("The MFA tables differ from what is expected:\n" + "\n".join(differences))


def version(connection: Connection) -> int:
    """The number of the last step that was applied; 0 for none."""
    if not inspect(connection).has_table(META):
        return 0
    meta = STEPS[0].tables[META]
    found = connection.scalar(select(meta.c.value).where(meta.c.name == NAME))
    return int(found) if found is not None and found.isdecimal() else 0


def missing(connection: Connection) -> list[int]:
    """The numbers of the steps that are still to be applied."""
    return list(range(version(connection) + 1, VERSION + 1))


def upgrade(connection: Connection, *, through: int = VERSION) -> None:
    """Apply the missing steps up to `through`. Raises `SchemaDiffers` before it changes anything.

    Tables that are there already, from `create_all` or the host's own migration, are adopted.
    """
    inspector = inspect(connection)
    steps = STEPS[:through]
    there = set(inspector.get_table_names())
    differences = [
        difference
        for step in steps
        for table in step.sorted_tables
        if table.name in there
        for difference in compare(inspector, table)
    ]
    if differences:
        raise SchemaDiffers(differences)
    for step in steps:
        for table in step.sorted_tables:
            if table.name not in there:
                table.create(connection)
                there.add(table.name)
            else:
                add_indexes(connection, table)
    note_version(connection, through)


def add_indexes(connection: Connection, table: Table) -> None:
    """Make the indexes that a table which is there still lacks."""
    there = {index["name"] for index in inspect(connection).get_indexes(table.name)}
    for index in table.indexes:
        if index.name not in there:
            index.create(connection)


def brought_by(step: int) -> list[Table]:
    """The tables that step number `step` brings, without those that it only adds indexes to."""
    earlier = {name for metadata in STEPS[: step - 1] for name in metadata.tables}
    return [table for table in STEPS[step - 1].sorted_tables if table.name not in earlier]


def indexes_added_by(step: int) -> list[Index]:
    """The indexes that step number `step` adds to tables of earlier steps."""
    new = {table.name for table in brought_by(step)}
    earlier = {
        index.name
        for metadata in STEPS[: step - 1]
        for table in metadata.sorted_tables
        for index in table.indexes
    }
    return [
        index
        for table in STEPS[step - 1].sorted_tables
        if table.name not in new
        for index in sorted(table.indexes, key=lambda index: str(index.name))
        if index.name not in earlier
    ]


def note_version(connection: Connection, number: int) -> None:
    """Write the version down, never a lower one than stands there."""
    meta = STEPS[0].tables[META]
    there = connection.scalar(select(meta.c.value).where(meta.c.name == NAME))
    if there is None:
        connection.execute(insert(meta).values(name=NAME, value=str(number)))
    elif not there.isdecimal() or int(there) < number:
        connection.execute(update(meta).where(meta.c.name == NAME).values(value=str(number)))


def compare(inspector: Inspector, table: Table) -> list[str]:
    """How a table in the database differs from ours, in words."""
    found = {column["name"]: column for column in inspector.get_columns(table.name)}
    said = []
    for column in table.columns:
        there = found.pop(column.name, None)
        where = f"{table.name}.{column.name}"
        if there is None:
            said.append(f"{where}: missing; expected {column.type!r}")
            continue
        kind: Any = there["type"]
        if kind._type_affinity is not column.type._type_affinity:
            said.append(f"{where}: {kind!r}, expected {column.type!r}")
        elif isinstance(column.type, String) and column.type.length:
            length = getattr(kind, "length", None)
            if length is not None and length < column.type.length:
                said.append(f"{where}: {length} characters, expected {column.type.length}")
        if bool(there["nullable"]) != bool(column.nullable):
            said.append(f"{where}: nullable={there['nullable']}, expected {column.nullable}")
        collation = getattr(kind, "collation", None)
        if inspector.dialect.name in ("mysql", "mariadb") and not is_exact(collation):
            said.append(f"{where}: collation {collation}, expected one that ends in _bin")
    said += [
        f"{table.name}.{name}: not expected"
        for name, column in found.items()
        if not column["nullable"] and column.get("default") is None
    ]
    key = inspector.get_pk_constraint(table.name)["constrained_columns"]
    expected = [column.name for column in table.primary_key]
    if key != expected:
        said.append(f"{table.name}: primary key {key}, expected {expected}")
    return said


def is_exact(collation: str | None) -> bool:
    """Whether text is compared byte by byte; types without a collation have nothing to compare."""
    return collation is None or collation.endswith("_bin") or collation == "binary"


def upgrade_in_migration(op: Any, *, through: int, since: int = 0) -> None:
    """What a revision of the host's Alembic history calls. `op`: Alembic's operations.

    `since`: the last step of the revisions before it, for a script that is only written down.
    """
    if op.get_context().as_sql:  # nothing can be looked at: write everything down
        for step in range(since + 1, through + 1):
            for table in brought_by(step):
                op.get_context().impl.create_table(table)
            for index in indexes_added_by(step):
                op.get_context().impl.create_index(index)
        meta = STEPS[0].tables[META]
        if since:
            op.execute(update(meta).where(meta.c.name == NAME).values(value=str(through)))
        else:
            op.execute(insert(meta).values(name=NAME, value=str(through)))
        return
    upgrade(op.get_bind(), through=through)


def downgrade_in_migration(op: Any, *, to: int) -> None:
    """Take steps back in a migration. A table that holds rows stays: no factor is ever lost."""
    bind = op.get_bind()
    there = set(inspect(bind).get_table_names())
    steps = range(to + 1, VERSION + 1)
    tables = [table for step in steps for table in brought_by(step) if table.name in there]
    kept = [
        table.name
        for table in tables
        if table.name != META and bind.execute(select(*table.primary_key).limit(1)).first()
    ]
    if kept:
        log.warning("These tables hold rows and stay: %s", ", ".join(kept))
        return
    for index in (index for step in steps for index in indexes_added_by(step)):
        if index.table is not None and index.table.name in there:
            index.drop(bind, checkfirst=True)
    for table in reversed(tables):
        table.drop(bind)
    if to:
        meta = STEPS[0].tables[META]
        bind.execute(update(meta).where(meta.c.name == NAME).values(value=str(to)))


def mark_created(metadata: MetaData) -> None:
    """Let `create_all` on the host's metadata note the version, too; once per metadata."""
    table = metadata.tables[META]
    if table.info.get("mfa_marked"):
        return
    table.info["mfa_marked"] = True

    @event.listens_for(table, "after_create")
    def note(_table: Table, connection: Connection, **_: Any) -> None:
        note_version(connection, VERSION)
