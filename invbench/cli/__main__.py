"""``python -m invbench.cli``."""

from invbench.cli.main import main

if __name__ == "__main__":
    main()
