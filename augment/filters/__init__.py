"""Filters: each file is one rule that names a reason to reject a note, or none."""
