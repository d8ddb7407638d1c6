"""Turns a folder of documents into a dataset of notes about them."""
