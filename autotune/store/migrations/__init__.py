"""Migrations of our tables, run by `store.migration`."""
