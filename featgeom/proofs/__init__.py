"""What each study proves: sentences, tables and figures as functions of its claims, and their checking."""
