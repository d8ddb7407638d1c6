"""Engines: what answers a prompt. `vllm` is the real one, `echo` a fake for tests and dry runs."""
