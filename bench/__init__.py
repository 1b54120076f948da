"""Measurements, as ratios taken side by side; no part of the tests."""
