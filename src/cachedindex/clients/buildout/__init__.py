"""The edge for zc.buildout, which replaces functions inside buildout."""
