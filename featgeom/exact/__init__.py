"""The trusted kernel: exact arithmetic, and rounded arithmetic with a proved bound.

Solvers and checks share it openly; nothing else is shared between them.
"""
