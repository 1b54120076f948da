"""The disk, and the only code that touches the cache folder; `docs/reference/store-format.md` describes it."""
