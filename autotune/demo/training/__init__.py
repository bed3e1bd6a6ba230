"""Trains the demo model from nothing: ``python -m autotune.demo.training --help``."""
