"""What the processes of one build share: a folder, a report, and the ways in which the hook reaches them."""
