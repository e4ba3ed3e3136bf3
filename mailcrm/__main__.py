"""Run the command line as `python -m mailcrm`."""

from mailcrm.cli import main

main()
