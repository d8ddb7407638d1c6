"""Engines: what answers a prompt. `vllm` is the real one, `echo` a deterministic fake for tests and dry runs."""
