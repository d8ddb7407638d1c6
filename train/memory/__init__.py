"""Sparse memory: product keys beside an MLP, a value table that starts at zero, updates of a few rows a step."""
