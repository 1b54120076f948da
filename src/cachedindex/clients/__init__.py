"""The edges: each module translates one client's requests and answers, and reaches into that client only."""
