"""Photos, corrections, and the decisions about them."""

import sqlalchemy as sa
from alembic import op

from corrections.tables import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """The first tables."""
    op.create_table(
        "photos",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("suffix", sa.String(8), nullable=False),
        sa.Column("n_bytes", sa.BigInteger, nullable=False),
        sa.Column("taken", sa.Date, nullable=False),
    )
    op.create_table(
        "corrections",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("sha256", sa.String(64), sa.ForeignKey("photos.sha256"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("species", sa.Text),
        sa.Column("handed_in", sa.Text),
        sa.Column("box", sa.Text),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("plant", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("predicted", sa.Text, nullable=False),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("confident", sa.Boolean, nullable=False),
        sa.Column("ood_score", sa.Float),
        sa.Column("familiar", sa.Boolean),
        sa.Column("created", UtcDateTime, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("reviewed", UtcDateTime),
    )
    op.create_index("corrections_in_order", "corrections", ["state", "created", "id"])
    op.create_index("corrections_by_age", "corrections", ["created"])
    op.create_index("corrections_of_photo", "corrections", ["sha256"])
    op.create_table(
        "reviews",
        sa.Column("correction", sa.String(32), sa.ForeignKey("corrections.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("species", sa.Text),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    """Back to nothing."""
    for name in ("reviews", "corrections", "photos"):
        op.drop_table(name)
