"""Run folders: what is on disk, what a study says, and the checking of stored claims."""
