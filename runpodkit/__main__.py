"""`python -m runpodkit` is the command line."""

from runpodkit.cli import main

if __name__ == "__main__":
    main()
