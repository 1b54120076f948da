"""The edges: each package translates the requests and answers of one client, and reaches into no other."""
