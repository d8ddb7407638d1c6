"""Hands the figures of a run on to TensorBoard and MLflow, on this disk alone."""
