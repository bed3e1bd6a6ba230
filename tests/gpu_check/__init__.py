"""The GPU check: all that only a card can show, in stages that end in time and go on where they ended."""
