"""The search: which recipe to try next, the loop that tries it, and the study that comes of it."""
