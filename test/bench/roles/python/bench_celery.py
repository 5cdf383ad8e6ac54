"""Celery's part in the comparison: the worker's app, and a client that answers one JSON request a line."""

import json
import os
import sys
import time

from celery import Celery

url = os.environ["TQ_BENCH_URL"]
app = Celery("bench", broker=url, backend=url)
app.conf.update(
    task_acks_late=True,
    task_serializer="json",
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="bench.add")
def add(x, y):
    return x + y


def enqueue(count):
    add.delay(0, 0)
    begin, cpu = time.perf_counter(), time.process_time()
    for n in range(count):
        add.delay(n, 1)
    seconds = time.perf_counter() - begin
    return {"perSecond": count / seconds, "cpuUs": (time.process_time() - cpu) * 1e6 / count}


def round_trips(count):
    found = []
    for n in range(count + 20):
        begin = time.perf_counter()
        add.delay(n, 1).get(timeout=60)
        found.append((time.perf_counter() - begin) * 1000)
    return found[20:]


def main():
    for line in sys.stdin:
        request = json.loads(line)
        answer = enqueue(request["count"]) if request["op"] == "enqueue" else round_trips(request["count"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
