"""MFA tables

Revision ID: 1659682468d9
Revises: 3d5a71c08e42
Create Date: 2026-11-24 17:23:19.521266

"""

from alembic import op

from flask_melody_mfa.store import schema

# revision identifiers, used by Alembic.
revision = "1659682468d9"
down_revision = "3d5a71c08e42"
branch_labels = None
depends_on = None


def upgrade() -> None:
    schema.upgrade_in_migration(op, through=1)


def downgrade() -> None:
    schema.downgrade_in_migration(op, to=0)
