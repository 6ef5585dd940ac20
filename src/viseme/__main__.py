"""`python -m viseme` is `viseme`."""

from viseme.cli import main

main()
