"""Measurements: `python -m bench.faults` makes docs/reference/faults.md. Figures are differences taken side by side."""
