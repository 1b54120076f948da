"""The cache folder on the disk, as a look-up needs it; `docs/reference/store-format.md` describes its files."""
