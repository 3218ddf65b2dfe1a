"""What the analyzers get right on generated clips: one module per analyzer, each with ``measure(seed)``."""
