"""A root of Debian testing with the newest Pythons, and the tests that need a distribution's own Python."""
