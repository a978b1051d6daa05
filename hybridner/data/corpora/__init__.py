"""The data sets known by name: what they are, their splits, and writing them as folders that `load_dataset` opens."""
