"""Schema: our tables as they are today; `migrations/` brings older databases here, step by step."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Float, ForeignKey, String, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

VERSION_TABLE = "autotune_alembic_version"  # Optuna keeps its own in "alembic_version"


class UtcDateTime(TypeDecorator[datetime]):
    """A time with its zone: SQLite forgets zones, so everything is kept in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        """Turn a time into UTC before it is stored."""
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        """Give a stored time its zone back."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Table(DeclarativeBase):
    """Base of our tables."""


class StudyRow(Table):
    """One study: what was asked for and where; never how far it is."""

    __tablename__ = "autotune_study"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(512), unique=True)  # as long as Optuna allows
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    plan: Mapped[Any] = mapped_column(JSON)
    target: Mapped[Any] = mapped_column(JSON)
    blueprint: Mapped[Any] = mapped_column(JSON)
    workload: Mapped[Any] = mapped_column(JSON)  # the plan's, with sizes resolved
    choices: Mapped[Any] = mapped_column(
        JSON
    )  # knob to values, the default first: frozen for the study's life


class TrialRow(Table):
    """One trial: written when it starts, completed when it ends, before Optuna is told."""

    __tablename__ = "autotune_trial"
    __table_args__ = (UniqueConstraint("study_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("autotune_study.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]  # Optuna's trial number
    digest: Mapped[str] = mapped_column(String(12), index=True)
    settings: Mapped[Any] = mapped_column(JSON)  # of every knob
    changed: Mapped[Any] = mapped_column(JSON)  # those that differ from the default: the recipe
    preset: Mapped[str] = mapped_column(String(80))
    folder: Mapped[str] = mapped_column(String(1024))  # relative to the folder of files
    state: Mapped[str] = mapped_column(String(16), index=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    seconds: Mapped[float | None] = mapped_column(Float)
    outcome_kind: Mapped[str | None] = mapped_column(String(32))
    outcome: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    measured_in: Mapped[str] = mapped_column(String(512), server_default="")  # another study, "" for its own


class CheckRow(Table):
    """One measurement beside the trials, by which their figures are judged: written when it ended."""

    __tablename__ = "autotune_check"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("autotune_study.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(16), index=True)
    round: Mapped[int]
    digest: Mapped[str] = mapped_column(String(12))
    changed: Mapped[Any] = mapped_column(JSON)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seconds: Mapped[float] = mapped_column(Float)
    outcome_kind: Mapped[str] = mapped_column(String(32))
    outcome: Mapped[Any] = mapped_column(JSON)
