"""Measurements, each a command: figures are differences and ratios, taken side by side in one run."""
