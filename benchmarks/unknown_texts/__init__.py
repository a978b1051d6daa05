"""What a composite knows of its own ignorance, measured: ood_score, probability of error, promises, routing, cost."""
