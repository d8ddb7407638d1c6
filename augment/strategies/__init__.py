"""Strategies: how a chunk is studied. One file each: options, the templates it asks with, an async function."""
