"""The two papers, row by row: experiments, observations, and the pages that compare."""
