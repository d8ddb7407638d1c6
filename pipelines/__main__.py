"""`python -m pipelines FILE`: all stages of one pipeline file."""

from pipelines.run import app

app()
