"""Fernleaf's own tables: members and the books on their shelves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask_login import UserMixin
from sqlalchemy import ForeignKey, String, Text, select
from sqlalchemy.orm import Mapped, mapped_column, relationship
from werkzeug.security import check_password_hash, generate_password_hash

from example_app.extensions import Base, db, login_manager

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model

PLANS = ("Reader", "Bookworm")


def now() -> datetime:
    """The present, in UTC, as the database keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


class User(UserMixin, Model):  # type: ignore[misc]
    """A member of the club."""

    __tablename__ = "member"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True, index=True)
    name: Mapped[str] = mapped_column(String(80))
    phone: Mapped[str | None] = mapped_column(String(32))
    plan: Mapped[str] = mapped_column(String(20), default="Reader")
    password_hash: Mapped[str] = mapped_column(String(255))
    joined_at: Mapped[datetime] = mapped_column(default=now)
    books: Mapped[list[Book]] = relationship(
        back_populates="user", cascade="all, delete-orphan", order_by="Book.added_at.desc()"
    )

    def set_password(self, password: str) -> None:
        """Keep a hash of the password."""
        self.password_hash = generate_password_hash(password)

    def check_password(self, password: str) -> bool:
        """Whether this is the member's password."""
        return check_password_hash(self.password_hash, password)

    @classmethod
    def by_email(cls, email: str) -> User | None:
        """The member with this address, however it is capitalized."""
        return db.session.scalar(select(cls).where(cls.email == email.strip().lower()))


class Book(Model):
    """A book on a member's shelf."""

    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), index=True)
    title: Mapped[str] = mapped_column(String(200))
    author: Mapped[str] = mapped_column(String(120))
    note: Mapped[str] = mapped_column(Text, default="")
    finished: Mapped[bool] = mapped_column(default=False)
    added_at: Mapped[datetime] = mapped_column(default=now)
    user: Mapped[User] = relationship(back_populates="books")


@login_manager.user_loader  # type: ignore[untyped-decorator]
def load_user(user_id: str) -> User | None:
    """Flask-Login's user loader."""
    return db.session.get(User, int(user_id)) if user_id.isdecimal() else None
