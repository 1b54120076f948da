"""Files that other Pythons load by path: standard library only, in the syntax of any Python, and unable to fail.

Not imported from here: `sitecustomize.py` is found through PYTHONPATH, the rest by its place beside it.
"""
