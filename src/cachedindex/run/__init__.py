"""One build with all its processes: the folder that they share, what they report, and how the hook reaches them."""
