"""Keeps the cache folder small and sound: collections, and the checks of `cachedindex doctor`."""
