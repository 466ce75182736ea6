"""``python -m mobilebert`` is the command line."""

from mobilebert.commands.main import main

if __name__ == "__main__":
    main()
