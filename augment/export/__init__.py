"""Turns a dataset of notes into files that trl, axolotl and LLaMA-Factory read as they are."""
