"""The edge for httpx, and for httpx2, which has the same transports."""
