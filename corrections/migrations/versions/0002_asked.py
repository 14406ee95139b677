"""Photos that the service chose for a reviewer: how much a label would teach, and how the photo looks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Two columns, empty for what a person handed in."""
    op.add_column("corrections", sa.Column("worth", sa.Float))
    op.add_column("photos", sa.Column("look", sa.String(16)))
    op.create_index("corrections_by_source", "corrections", ["source", "created"])


def downgrade() -> None:
    """Without them."""
    op.drop_index("corrections_by_source", "corrections")
    op.drop_column("photos", "look")
    op.drop_column("corrections", "worth")
