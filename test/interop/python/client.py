"""Test fixture: a Celery client in Python, driven over JSON lines by test/helpers/python.ts.

Reads `{"id", "op", ...parameters}` from stdin, one per line, and answers each in order with `{"id", "ok": value}` or
`{"id", "error": {"type", "message"}}` on stdout. While events are captured, `{"event": {...}}` lines come in between.
Ends at the end of stdin. Environment: TQ_BROKER_URL, TQ_RESULT_BACKEND, TQ_CONFIG (JSON: Celery settings to add).
"""
import json
import os
import sys
import threading
from datetime import datetime

from celery import Celery

replies, sys.stdout = sys.stdout, sys.stderr  # what a library prints must not get between the replies
lock = threading.Lock()

app = Celery('pyclient', broker=os.environ['TQ_BROKER_URL'], backend=os.environ['TQ_RESULT_BACKEND'])
app.conf.update(
    accept_content=['json', 'yaml', 'msgpack'],
    result_accept_content=['json', 'yaml', 'msgpack'],
    timezone='UTC', enable_utc=True,
    **json.loads(os.environ.get('TQ_CONFIG', '{}')),
)


def write(document):
    with lock:
        replies.write(json.dumps(document, default=repr) + '\n')
        replies.flush()


def send_task(name, args=(), kwargs=None, options=None):
    """Sends by name, as a program does that has no code of the task. `options` as of apply_async."""
    times = {key: datetime.fromisoformat(value) for key, value in (options or {}).items()
             if key in ('eta', 'expires') and isinstance(value, str)}
    return app.send_task(name, args=args, kwargs=kwargs, **{**(options or {}), **times}).id


def apply_signature(signature, options=None):
    """Sends a canvas given as Celery's own dict; the ids come back as (id, parent) and group children."""
    return app.signature(signature).apply_async(**(options or {})).as_tuple()


def result(task_id, timeout=10):
    """Waits for a task's end. The value of a failed task is its exception as type, module, args and text."""
    found = app.AsyncResult(task_id)
    value = found.get(timeout=timeout, propagate=False)
    return told(found.state, value, found.traceback)


def outcome(task_id):
    """As `result`, as it is at this moment, in one look: PENDING where nothing is stored."""
    found = app.backend.get_task_meta(task_id)
    return told(found['status'], found['result'], found.get('traceback'))


def told(status, value, traceback):
    if isinstance(value, BaseException):
        value = {'type': type(value).__name__, 'module': type(value).__module__,
                 'args': list(value.args), 'text': str(value)}
    return {'status': status, 'result': value, 'traceback': traceback}


def meta(task_id):
    """The stored result document at this moment, as the backend decodes it."""
    return app.backend.get_task_meta(task_id)


def inspect(method, arguments=(), destination=None, timeout=2):
    """One of Celery's inspections: {worker: reply}, empty when none answered in time."""
    inspection = app.control.inspect(destination=destination, timeout=timeout)
    return getattr(inspection, method)(*arguments) or {}


def control(command, arguments=None, destination=None, reply=True, timeout=2):
    """Any remote control command by its name on the wire."""
    return app.control.broadcast(command, arguments=arguments or {}, destination=destination,
                                 reply=reply, timeout=timeout)


capture = None


def capture_events():
    """From the answer on, every event of the cluster is written as it comes."""
    global capture
    if capture is None:
        listening = threading.Event()
        capture = threading.Thread(target=receive_events, args=(listening,), daemon=True)
        capture.start()
        if not listening.wait(10):
            raise TimeoutError('no connection for events within 10 s')


def receive_events(listening):
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={'*': lambda event: write({'event': event})})
        with receiver.consumer_context(wakeup=True) as (connection, _channel, _consumers):
            try:
                connection.drain_events(timeout=0.1)  # over redis the subscription is sent with the first read
            except OSError:
                pass  # nothing came
            listening.set()
            while True:
                try:
                    connection.drain_events(timeout=1)
                except TimeoutError:
                    pass


operations = {f.__name__: f for f in (send_task, apply_signature, result, outcome, meta, inspect, control, capture_events)}


def main():
    write({'ready': True})
    for line in sys.stdin:
        request = json.loads(line)
        number, operation = request.pop('id'), request.pop('op')
        try:
            write({'id': number, 'ok': operations[operation](**request)})
        except Exception as error:  # whatever it is, the test that asked wants to see it
            write({'id': number, 'error': {'type': type(error).__name__, 'message': str(error)}})


if __name__ == '__main__':
    main()
