"""Pipeline files, the sample corpora they read, and the runner of all stages (`python -m pipelines FILE`)."""
