"""``python -m transport_abm`` is the command line."""

from transport_abm.cli import main

if __name__ == "__main__":
    main()
