"""What other Pythons load by path: standard library only, syntax as of Python 3.6, unable to fail or to print.

Not imported from here: `sitecustomize.py` is found through PYTHONPATH, the rest by its place beside it.
"""
