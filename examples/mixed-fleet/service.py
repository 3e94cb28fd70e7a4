"""A Python service: starts an invoice, approves it and waits for its end; then starts one, pauses, resumes and cancels it."""

import asyncio
import os
import sys
from datetime import timedelta

import buquet
from buquet.workflow import WorkflowClient

from invoice import invoice


async def reaches(client, run_id, status):
    """What Python asks for is applied by a TypeScript worker, after its next poll."""
    for _ in range(600):
        run = await client.get(run_id)
        if run is not None and run.status.value == status:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"{run_id} is not {status}")


async def main():
    queue = await buquet.connect()
    client = WorkflowClient(queue)

    paid = await client.start(invoice, {"number": "A-1", "amount": 1250.5})
    await reaches(client, paid.id, "waiting_signal")
    await client.signal(paid.id, "approval", {"by": "ada"})
    print("A-1", (await client.wait(paid.id, timeout=timedelta(minutes=2))).status.value)

    dropped = await client.start(invoice, {"number": "A-2", "amount": 3.0})
    await reaches(client, dropped.id, "waiting_signal")
    await client.pause(dropped.id, reason="a question")
    await client.resume(dropped.id)
    await reaches(client, dropped.id, "waiting_signal")
    await client.cancel(dropped.id, reason="sent twice")
    print("A-2", (await client.wait(dropped.id, timeout=timedelta(minutes=2))).status.value)
    sys.stdout.flush()
    # buquet 0.1.0 crashes when its process ends in the usual way soon after its last call.
    os._exit(0)


asyncio.run(main())
