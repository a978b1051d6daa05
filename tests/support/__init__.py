"""What tests of several packages use: tiny models, made-up predictions, readers of results."""
