"""`python -m featgeom_cli` is the command `featgeom`."""

from featgeom_cli.main import main

main()
