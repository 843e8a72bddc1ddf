"""The command line, installed as the package featgeom_cli: one file a command."""
