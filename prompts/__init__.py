"""Prompt templates, plain text, one per file; a folder of your own (`augment.prompts`) shadows them by name."""
