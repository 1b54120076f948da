"""The edge for pip, which reaches into pip's inside."""
