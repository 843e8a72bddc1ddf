"""The claims that results make, and their exact re-checking.

A claim is the statement and the numbers that prove it. Checking uses integer and rational arithmetic and
shares no code with the solvers: this floor imports none of them.
"""
