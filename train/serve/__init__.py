"""A local page that asks the base model and a finetuned one the same question, and shows what in the memory spoke."""
