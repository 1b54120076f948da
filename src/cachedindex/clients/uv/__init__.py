"""The edge for uv, which is not intercepted, but may be set offline."""
