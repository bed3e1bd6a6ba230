"""`python -m autotune`: the command line, where no `autotune` command is on the path."""

from autotune.cli import main

if __name__ == "__main__":
    main()
