"""Turns a dataset of notes into figures: what was written, what was kept, how varied and how faithful it is."""
