"""Run by alembic for each upgrade, on the connection that `store.migration` hands over."""

from alembic import context

from autotune.store.schema import VERSION_TABLE, Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
