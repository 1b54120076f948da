"""An object store beside the cache folder, which the runs of many hosts share."""
