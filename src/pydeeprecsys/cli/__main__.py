"""`python -m pydeeprecsys.cli`."""

from pydeeprecsys.cli import main

main()
