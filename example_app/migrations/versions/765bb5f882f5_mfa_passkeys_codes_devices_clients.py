"""MFA passkeys, codes, devices, clients

Revision ID: 765bb5f882f5
Revises: 1659682468d9
Create Date: 2026-11-25 13:11:14.569967

"""

from alembic import op

from flask_melody_mfa.store import schema

# revision identifiers, used by Alembic.
revision = "765bb5f882f5"
down_revision = "1659682468d9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    schema.upgrade_in_migration(op, through=2, since=1)


def downgrade() -> None:
    schema.downgrade_in_migration(op, to=1)
