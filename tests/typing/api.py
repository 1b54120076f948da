"""Checked by mypy, never run: the types of the public names are a promise."""

from __future__ import annotations

import httpx
import requests

import cachedindex

session = requests.Session()
session.mount("https://index.example/", cachedindex.CachedIndexAdapter())
session.mount("https://index.example/", cachedindex.CachedIndexAdapter(index_ttl="10 min", offline=True))
session.mount("https://index.example/", cachedindex.CachedIndexAdapter(requests.adapters.HTTPAdapter(max_retries=3)))
client = httpx.Client(transport=cachedindex.CachedIndexTransport())
client = httpx.Client(mounts={"https://": cachedindex.CachedIndexTransport(index_ttl="10 min", verify="ca.pem")})
client = httpx.Client(transport=cachedindex.CachedIndexTransport(httpx.HTTPTransport(retries=3)))
version: str = cachedindex.__version__
error: type[Exception] = cachedindex.CachedIndexError
wrong_option: type[cachedindex.CachedIndexError] = cachedindex.SettingsError
