"""Models that change after training: adapters for new domains, and learning from what people say about the entities."""

from hybridner.adaptation.adapt import AdaptationSettings, adapt, fine_tune, labels_for

__all__ = ["AdaptationSettings", "adapt", "fine_tune", "labels_for"]
