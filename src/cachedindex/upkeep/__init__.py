"""What keeps the cache folder small and sound: collections, and what `cachedindex doctor` looks at."""
