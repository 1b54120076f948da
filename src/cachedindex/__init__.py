"""cachedindex: builds survive a package index that is slow, wrong or gone, from inside the client.

The public API is what `__all__` names, beside the command line and the options. All other modules are internal: they
may change in any release.
"""

from cachedindex import standard

standard.begin()

from cachedindex.errors import CachedIndexError, SettingsError  # noqa: E402 - the first one of our own

TYPE_CHECKING = False  # typing would come from sys.path.
if TYPE_CHECKING:
    from cachedindex.clients.httpx.script import CachedIndexTransport
    from cachedindex.clients.requests.script import CachedIndexAdapter

__all__ = ["CachedIndexAdapter", "CachedIndexError", "CachedIndexTransport", "SettingsError", "__version__"]

__version__ = "0.2.0"
"""The release, from which all else takes it: the metadata, the command line, what an index is sent."""


def __getattr__(name: str) -> object:
    """Import the adapter or the transport at its first use, as it needs requests or httpx."""
    if name == "CachedIndexAdapter":
        from cachedindex.clients.requests.script import CachedIndexAdapter  # noqa: PLC0415

        return CachedIndexAdapter
    if name == "CachedIndexTransport":
        from cachedindex.clients.httpx.script import CachedIndexTransport  # noqa: PLC0415

        return CachedIndexTransport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
