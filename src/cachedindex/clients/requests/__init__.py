"""The edge for requests and for every vendored copy of it."""
