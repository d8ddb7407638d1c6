"""Measures a model: recall of facts by phrasing, known questions kept, likelihood of general text."""
