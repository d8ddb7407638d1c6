"""Makes question sets from documents with a generation engine, each question checked against the text."""
