"""The edge for zc.buildout, which reaches into buildout's inside."""
