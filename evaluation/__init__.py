"""What the analyzers get right on generated clips: one module an analyzer, each with ``measure(seed)``."""
