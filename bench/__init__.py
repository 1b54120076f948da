"""Measurements, one command each; their figures are differences and ratios of builds that ran side by side."""
