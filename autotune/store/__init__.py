"""The store: one database for Optuna's tables and ours, and the folder of files beside it."""
