"""All decisions, as pure functions: no clock, no file, no socket, no thread."""
