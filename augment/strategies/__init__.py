"""Strategies: how a chunk is studied. One file each: options, templates, an async function."""
