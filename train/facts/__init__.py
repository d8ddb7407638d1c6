"""Question sets to an experiment: facts to learn, questions to keep, texts to protect, all apart from each other."""
