"""Model hosts: processes that keep one model in memory, and how a run calls them. Start here.

A *task* is a question (``resources/tasks``). A *model* is a catalogue row that answers it (``resources/catalog``).
A `host.Host` keeps the model's weights and computes (``resources/models``). A `handle.ModelResource` is what Dagster
gives to analyzers: it loads nothing and asks an engine, `hosts.ModelHosts`.

One call, from left to right::

    analyzer -> handle.py -> local/hosts.py -> wire.py -> [unix socket] -> server/process.py -> batching.py -> Host
                             local/exchange.py finds the process (it has a diagram of what can happen to a request),
                             local/starter.py starts it, identity.py names it

Files:

- `messages` and `host`: what you need to write a model.
- `hosts`: the interface of an engine. `local` runs processes on this machine; `inprocess` runs the model
  in the caller's process, for measurements.
- `handle`: the Dagster resource. The only file here that imports dagster.
- `calls`, `usage`, `wire`: cancelling a call, its cost, and the data sent.
"""
