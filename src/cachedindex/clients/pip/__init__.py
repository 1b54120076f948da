"""The edge for pip, which replaces functions inside pip."""
