"""Checked by mypy, never run: the types of the public names are a promise."""

from __future__ import annotations

import requests

import cachedindex

session = requests.Session()
session.mount("https://index.example/", cachedindex.CachedIndexAdapter())
session.mount("https://index.example/", cachedindex.CachedIndexAdapter(index_ttl="10 min", offline=True))
session.mount("https://index.example/", cachedindex.CachedIndexAdapter(requests.adapters.HTTPAdapter(max_retries=3)))
version: str = cachedindex.__version__
error: type[Exception] = cachedindex.CachedIndexError
wrong_option: type[cachedindex.CachedIndexError] = cachedindex.SettingsError
