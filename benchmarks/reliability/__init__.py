"""Trials of kills, failing disks, hostile folders and malformed answers; `python -m benchmarks.reliability` runs them."""
