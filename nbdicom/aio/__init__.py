"""The asyncio driver: the same associations, operations and servers for programs that run an event loop.

>>> import asyncio
>>> from nbdicom import Handlers, aio
>>> async def verify():
...     async with aio.serve(Handlers(), ae_title="ECHO", contexts=["Verification"]) as server:
...         async with aio.associate(server.address, called="ECHO", contexts=["Verification"]) as association:
...             return await association.echo()
>>> asyncio.run(verify())
<Status 0000H Success>

The vocabulary is that of the blocking driver; what waits is awaited, and what gives answers one by one is iterated with
``async for``.  Cancelling a task cancels its operation (C-CANCEL) and leaves the association usable.

The rooms are those of the blocking driver: `transport` (TCP, with TLS or without) and `memory` (neither), `wire`, `driver`,
`responses`, `association`, `server`; `opening` is what can be awaited or entered, and `worker` runs handlers that are plain
functions.
"""

from nbdicom.aio.association import Association, Responses, associate
from nbdicom.aio.server import Server, serve

__all__ = ["Association", "Responses", "Server", "associate", "serve"]
