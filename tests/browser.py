"""What tests in a browser share."""

import time


def until(page, expression, seconds=30.0):
    """Wait until an expression is true in a page, whose policy forbids that it evaluates strings itself."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"not within {seconds} s: {expression}"
        page.wait_for_timeout(20)
