"""Writes notes into a model's weights with several methods, and measures what was learned and what was forgotten."""
