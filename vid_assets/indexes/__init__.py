"""What is made of the answers for searching: one file per table, described as analyzers are."""
