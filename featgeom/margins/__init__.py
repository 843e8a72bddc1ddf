"""Maximum-margin machines, the head beside them, and neural collapse."""
