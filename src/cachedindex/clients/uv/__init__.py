"""What can be done for uv, whose look-ups are not intercepted."""
