"""One look-up, from the request to the answer: everything between a client's edge and the store."""
