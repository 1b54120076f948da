"""One look-up, from the request to the answer: everything that happens between a client's edge and the store."""
