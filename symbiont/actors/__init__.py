"""The stateful processes, one per file: messages, state, class. They know one another by name and by message, nothing else."""
