"""``python -m nbdicom`` is the ``nbdicom`` command."""

import sys

from nbdicom.cli import main

if __name__ == "__main__":
    sys.exit(main())
