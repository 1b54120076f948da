"""The edge for urllib."""
