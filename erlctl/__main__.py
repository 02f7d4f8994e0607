"""`python -m erlctl` is the same as `erlctl`."""

from erlctl.cli import main

if __name__ == "__main__":
    main()
