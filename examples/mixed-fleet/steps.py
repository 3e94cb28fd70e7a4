"""A Python worker that runs the step `score` of every invoice, until it is stopped."""

import asyncio

import buquet
from buquet.workflow import create_step_handler

from invoice import invoice


async def main():
    queue = await buquet.connect()
    worker = buquet.Worker(queue, "python-score", queue.all_shards())
    # Not register_workflow: that would claim workflow.orchestrate as well, and drive or pause runs that are driven elsewhere.
    worker.task("workflow.step:invoice:score")(create_step_handler(invoice, "score", queue))
    print("python-score runs workflow.step:invoice:score", flush=True)
    # The TypeScript workers look after leases; one monitor is enough.
    await worker.run(buquet.WorkerRunOptions(poll_interval_ms=500, with_monitor=False))


asyncio.run(main())
