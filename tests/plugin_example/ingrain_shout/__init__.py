"""Adds a strategy, an engine and a filter to ingrain by entry points, see pyproject.toml."""
