"""Measured in: a study may take over the untuned baseline of another, and says whose it is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; what was stored before was measured in its own study."""
    op.add_column(
        "autotune_trial", sa.Column("measured_in", sa.String(512), nullable=False, server_default="")
    )
