"""`python -m ganflow`."""

import sys

from ganflow.stages.cli import main

if __name__ == "__main__":
    sys.exit(main())
