"""What is in a data set: counts and lengths, near-duplicates, agreement of annotators."""
