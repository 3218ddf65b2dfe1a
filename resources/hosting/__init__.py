"""Model hosts: processes that keep one model in memory, and how a run calls them. Start here.

A *task* is a question (``resources/tasks``). A *model* is a catalogue row that answers it (``resources/catalog``).
A `host.Host` holds the model's weights and computes (``resources/models``). A `handle.ModelResource` is what Dagster
gives to analyzers: it loads nothing and asks an engine, `hosts.ModelHosts`.

One call, from left to right::

    analyzer -> handle.py -> local/hosts.py -> wire.py -> [unix socket] -> server/process.py -> batching.py -> Host
                             local/exchange.py finds the process (a diagram of what may happen to a request is there),
                             local/starter.py starts it, identity.py names it

Files:

- `messages` and `host`: what the author of a model needs.
- `hosts`: the interface of an engine. `local` runs processes on this machine; `inprocess` runs the model
  in the caller's process, for measurements.
- `handle`: the Dagster resource. The only file here that imports dagster.
- `calls`, `usage`, `wire`: cancelling a call, what it cost, and what travels.
"""
