"""The host process: one model, its queue, and gRPC on a unix socket."""
