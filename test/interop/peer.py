"""The real buquet, driven from outside: one JSON object a line on stdin, one a line on stdout.

A request is {"id": n, "op": name, ...}; its answer {"id": n, "result": ...} or {"id": n, "error": {"type", "message"}}. Requests run side by
side. What happens inside handlers is told by lines {"event": ...}. S3_BUCKET, S3_ENDPOINT and S3_REGION say which bucket.

Handlers and steps are scripts: a list of attempts (the last one is for all later ones), each a list of instructions:
  {"return": value}      the result; absent: null         {"echo": true}            the input (a step: its data) is the result
  {"raise": kind, "message": text}                        {"reschedule": seconds}
  {"sleep": seconds}     {"gate": name}  waits until it is opened          {"extend": seconds}
  {"refresh": true}      {"tell_cancellation": true}      {"kill": true}
  {"wait_signal": name, "timeout": seconds, "as": member}   the payload is the result; under that member where one is named
"""

from __future__ import annotations

import asyncio
import builtins
import dataclasses
import datetime
import enum
import json
import os
import signal
import sys

import buquet
import buquet.workflow as bw

sent = sys.stdout
gates: dict[str, asyncio.Event] = {}
workflows: dict[str, bw.Workflow] = {}
runs: dict[str, asyncio.Future] = {}
tasks: set[asyncio.Task] = set()


def tell(message):
    sent.write(json.dumps(message) + "\n")
    sent.flush()


def gate(name):
    return gates.setdefault(name, asyncio.Event())


def to_python(value):
    """Arguments that JSON does not know: {"$datetime": text} and the like."""
    if isinstance(value, list):
        return [to_python(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (name, inner), = value.items()
        if name == "$datetime":
            return datetime.datetime.fromisoformat(inner)
        if name == "$timedelta":
            return datetime.timedelta(seconds=inner)
        if name == "$retry_policy":
            return buquet.RetryPolicy(**inner)
        if name == "$status":
            return getattr(buquet.TaskStatus, inner.capitalize())
        if name == "$bytes":
            return inner.encode()
        if name == "$tuple":
            return tuple(to_python(item) for item in inner)
        if name == "$workflow":
            return workflows[inner]
    return {name: to_python(item) for name, item in value.items()}


def to_json(value):
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if dataclasses.is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(name): to_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if hasattr(value, "to_dict"):
        return to_json(value.to_dict())
    names = [name for name in dir(value) if not name.startswith("_")]
    return {name: to_json(getattr(value, name)) for name in names if not callable(getattr(value, name))}


def exception(kind, message):
    found = getattr(buquet, kind, None) or getattr(builtins, kind, None) or type(kind, (Exception,), {})
    return found(message)


async def play(name, script, calls, given, context, step):
    """Runs one attempt of a script. `context` is that of the task, or that of the step."""
    calls[name] = calls.get(name, 0) + 1
    number = calls[name]
    told = {"name": name, "call": number, "input": given}
    if step:
        told["workflow_id"] = context.workflow_id
    else:
        told["task_id"] = context.task_id
    tell({"event": "begin", **told})
    for instruction in script[min(number, len(script)) - 1] if script else []:
        if "return" in instruction:
            return instruction["return"]
        if "echo" in instruction:
            return given
        if "raise" in instruction:
            raise exception(instruction["raise"], instruction.get("message", ""))
        if "reschedule" in instruction:
            raise buquet.RescheduleError(instruction["reschedule"])
        if "sleep" in instruction:
            await asyncio.sleep(instruction["sleep"])
        elif "gate" in instruction:
            await gate(instruction["gate"]).wait()
        elif "extend" in instruction:
            await context.extend_lease(instruction["extend"])
            tell({"event": "extended", **told})
        elif "refresh" in instruction:
            await context.refresh()
        elif "tell_cancellation" in instruction:
            tell({"event": "cancellation", **told, "requested": await context.is_cancellation_requested()})
        elif "wait_signal" in instruction:
            payload = await context.wait_for_signal(instruction["wait_signal"], instruction.get("timeout"))
            tell({"event": "signal", **told, "payload": to_json(payload)})
            return {instruction["as"]: payload} if "as" in instruction else payload
        elif "kill" in instruction:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            raise ValueError(f"unknown instruction {instruction}")
    return None


def handler(name, script, calls):
    async def handle(given, context):
        return await play(name, script, calls, given, context, False)

    return handle


def define(definition):
    workflow = bw.Workflow(definition["name"])
    calls: dict[str, int] = {}

    def step(spec):
        options = {name: spec[name] for name in ("depends_on", "retries", "timeout", "on_failure") if name in spec}

        @workflow.step(spec["name"], **options)
        async def run(context):
            return await play(spec["name"], spec.get("script", []), calls, context.data, context, True)

    for spec in definition["steps"]:
        step(spec)
    workflows[workflow.name] = workflow
    return workflow.definition_hash


class Peer:
    def __init__(self, queue):
        self.queue = queue
        self.client = bw.WorkflowClient(queue)

    async def call(self, on, method, args, kwargs):
        """Any method of the queue, its storage, the workflow client or the engine; or a function of buquet.workflow."""
        if on == "queue":
            target = self.queue
        elif on == "storage":
            target = self.queue.storage
        elif on == "client":
            target = self.client
        elif on == "engine":
            target = await self.client._get_engine()
        elif on == "state":
            target = (await self.client._get_engine()).state
        elif on == "workflow":
            target, args = bw, [self.queue, *args]
        else:
            raise ValueError(f"unknown target {on}")
        found = getattr(target, method)
        answer = found(*args, **kwargs) if callable(found) else found
        return to_json(await answer if asyncio.iscoroutine(answer) or asyncio.isfuture(answer) else answer)

    def worker(self, spec):
        worker = buquet.Worker(self.queue, spec["worker_id"], spec.get("shards") or self.queue.all_shards())
        calls: dict[str, int] = {}
        for name in spec.get("workflows", []):
            bw.register_workflow(worker, workflows[name], self.queue)
        for name in spec.get("orchestrates", []):
            worker.task("workflow.orchestrate")(bw.create_orchestrator_handler(workflows[name], self.queue))
        # A worker that runs steps and leaves the orchestration to others.
        for name in spec.get("steps_only", []):
            workflow, _, chosen = name.partition(":")
            for step in [chosen] if chosen else workflows[workflow].steps:
                handle = bw.create_step_handler(workflows[workflow], step, self.queue)
                worker.task(f"workflow.step:{workflow}:{step}")(handle)

        for task_type, script in spec.get("handlers", {}).items():
            worker.task(task_type)(handler(task_type, script, calls))

        @worker.on_startup
        async def started():
            tell({"event": "started", "worker_id": spec["worker_id"]})

        @worker.on_success
        async def succeeded(task):
            tell({"event": "success", "worker_id": spec["worker_id"], "task_id": task.id, "name": task.task_type})

        @worker.on_error
        async def failed(task, error):
            tell({"event": "error", "worker_id": spec["worker_id"], "task_id": task.id, "name": task.task_type, "error": error})

        options = {"poll_interval_ms": 50, "with_monitor": False, **spec.get("options", {})}
        runs[spec["worker_id"]] = worker.run(buquet.WorkerRunOptions(**options))

    async def serve(self, request):
        op = request["op"]
        if op == "call":
            args, kwargs = to_python(request.get("args", [])), to_python(request.get("kwargs", {}))
            return await self.call(request["on"], request["method"], args, kwargs)
        if op == "define":
            return define(request["definition"])
        if op == "worker":
            return self.worker(request["worker"])
        if op == "worker_ended":
            return await runs[request["worker_id"]]
        if op == "open_gate":
            return gate(request["gate"]).set()
        if op == "hash":
            return workflows[request["workflow"]].definition_hash
        raise ValueError(f"unknown op {op}")

    async def answer(self, request):
        try:
            tell({"id": request["id"], "result": await self.serve(request)})
        except BaseException as error:  # noqa: BLE001 - a panic of the Rust core is no Exception
            tell({"id": request["id"], "error": {"type": type(error).__name__, "message": str(error)}})


async def main():
    try:
        peer = Peer(await buquet.connect())
    except BaseException as error:  # noqa: BLE001
        tell({"event": "failed", "type": type(error).__name__, "message": str(error)})
        os._exit(1)
    reader = asyncio.StreamReader(limit=1 << 30)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tell({"event": "ready", "version": buquet.__version__})
    while line := await reader.readline():
        task = asyncio.ensure_future(peer.answer(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    # The package crashes when its process ends in the usual way soon after its last call; every line was flushed.
    os._exit(0)


asyncio.run(main())
