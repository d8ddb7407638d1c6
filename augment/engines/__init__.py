"""Engines: what answers a prompt. `vllm` and `openai` are the real ones, `echo` a fake for tests and dry runs."""
