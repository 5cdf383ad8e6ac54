"""Test fixture: a Celery app in Python. Workers of it run what a tq client sends; client.py is its sending counterpart.

Started by test/helpers/python.ts with Debian's own Python. Environment: TQ_BROKER_URL, TQ_RESULT_BACKEND,
TQ_MARK_URL (redis for side effects), TQ_RESULT_SERIALIZER (json), TQ_RESULT_EXTENDED=1, TQ_TRACK_STARTED=1,
TQ_MAX_PRIORITY=10 (amqp: declare the queue with x-max-priority), TQ_QUEUE (py). The worker consumes that queue ONLY, so
it can live next to a worker of ours on the queue `celery`.
"""
import datetime
import decimal
import os
import time
import uuid
from copy import copy

from celery import Celery, Task, chain, chord, group
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from kombu import Exchange, Queue

os.environ.setdefault("C_FORCE_ROOT", "1")   # pickle as root, on a test machine
REDIS_PORT = os.environ.get('REDIS_PORT', '6392')
BROKER = os.environ.get('TQ_BROKER_URL', 'redis://127.0.0.1:%s/0' % REDIS_PORT)
BACKEND = os.environ.get('TQ_RESULT_BACKEND', 'redis://127.0.0.1:%s/0' % REDIS_PORT)
MARK_URL = os.environ.get('TQ_MARK_URL', 'redis://127.0.0.1:%s/0' % REDIS_PORT)
QUEUE = os.environ.get('TQ_QUEUE', 'py')
MAX_PRIORITY = int(os.environ.get('TQ_MAX_PRIORITY', '0')) or None

app = Celery('pyworker', broker=BROKER, backend=BACKEND)
app.conf.update(
    task_queues=[Queue(QUEUE, Exchange(QUEUE, type='direct'), routing_key=QUEUE,
                       max_priority=MAX_PRIORITY)],
    task_default_queue=QUEUE,
    task_default_exchange=QUEUE,
    task_default_routing_key=QUEUE,
    accept_content=['json', 'yaml', 'msgpack', 'pickle'],
    result_serializer=os.environ.get('TQ_RESULT_SERIALIZER', 'json'),
    result_accept_content=['json', 'yaml', 'msgpack', 'pickle'],
    result_extended=os.environ.get('TQ_RESULT_EXTENDED') == '1',
    task_track_started=os.environ.get('TQ_TRACK_STARTED') == '1',
    timezone='UTC', enable_utc=True,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
)


def mark(key, value):
    """A side effect the foreign client can look at: RPUSH key value."""
    import redis
    redis.Redis.from_url(MARK_URL).rpush(key, value)


# --- plain calls ------------------------------------------------------------
@app.task(name='py.add')
def add(x, y, z=0):
    return x + y + z


@app.task(name='py.add_untyped', typing=False)
def add_untyped(x, y):
    """No argument check in the client: a wrong call fails in the worker."""
    return x + y


@app.task(name='py.echo')
def echo(*args, **kwargs):
    """Arguments as the worker saw them; nothing is converted."""
    return {'args': list(args), 'kwargs': kwargs}


@app.task(name='py.kwonly')
def kwonly(*, a, b=2):
    return [a, b]


@app.task(name='py.tsum')
def tsum(numbers):
    return sum(numbers)


@app.task(name='py.none')
def none(*_args, **_kwargs):
    return None


@app.task(name='py.unicode')
def unicode_(text):
    """Reverses by code point, so that a broken encoding shows."""
    return {'text': text, 'reversed': text[::-1], 'length': len(text),
            'utf8': text.encode('utf-8').hex()}


@app.task(name='py.size')
def size(data):
    """Length of a str/bytes/list payload of any size."""
    return {'type': type(data).__name__, 'length': len(data)}


@app.task(name='py.large')
def large(n):
    """Answers with a string of n characters."""
    return 'x' * n


@app.task(name='py.typeof')
def typeof(*values):
    """Python type names of the arguments after decoding."""
    return [type(v).__name__ for v in values]


@app.task(name='py.rich')
def rich():
    """Values that Celery's JSON encoder turns into strings."""
    return {'datetime': datetime.datetime(2020, 1, 2, 3, 4, 5, 678000),
            'aware': datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
            'date': datetime.date(2020, 1, 2), 'time': datetime.time(3, 4, 5),
            'decimal': decimal.Decimal('1.10'),
            'uuid': uuid.UUID('12345678-1234-5678-1234-567812345678'),
            'tuple': (1, 2), 'big': 2 ** 60, 'float': 0.1}


# --- the request ------------------------------------------------------------
@app.task(name='py.request', bind=True)
def request(self, *args, **kwargs):
    """What the worker made of headers and properties; lists as they are now, the worker takes from them later."""
    r = self.request
    return {k: copy(getattr(r, k, None)) for k in (
        'id', 'task', 'args', 'kwargs', 'root_id', 'parent_id', 'group', 'group_index',
        'correlation_id', 'reply_to', 'retries', 'eta', 'expires', 'timelimit', 'lang',
        'argsrepr', 'kwargsrepr', 'origin', 'hostname', 'delivery_info', 'headers',
        'properties', 'ignore_result', 'shadow', 'is_eager', 'called_directly',
        'callbacks', 'errbacks', 'chain', 'chord', 'replaced_task_nesting')}


@app.task(name='py.header', bind=True)
def header(self, name):
    """A custom message header (apply_async(headers={...}))."""
    headers = self.request.headers or {}
    return headers.get(name, getattr(self.request, name, None))


@app.task(name='py.priority', bind=True)
def priority(self, label=None):
    mark('py:priority', '%s' % label)
    return [label, (self.request.delivery_info or {}).get('priority')]


# --- failing, retrying ------------------------------------------------------
class PyError(Exception):
    """Custom exception, args = (code, message)."""

    def __init__(self, code, message):
        super().__init__(code, message)
        self.code, self.message = code, message


class OddError(Exception):
    """args don't match __init__: can't be rebuilt from its args."""

    def __init__(self, a, b):
        super().__init__('only one')


@app.task(name='py.fail')
def fail(message='deliberate'):
    raise ValueError(message)


@app.task(name='py.fail_custom')
def fail_custom(code, message):
    raise PyError(code, message)


@app.task(name='py.fail_odd')
def fail_odd():
    raise OddError(1, 2)


@app.task(name='py.fail_chained')
def fail_chained():
    try:
        {}['missing']
    except KeyError as exc:
        raise RuntimeError('outer') from exc


@app.task(name='py.fail_nonjson')
def fail_nonjson():
    raise ValueError('has an object', object())


@app.task(name='py.retry_n', bind=True, max_retries=None)
def retry_n(self, n, delay=0.1):
    """Fails n times through retry(countdown=delay), then returns retries."""
    if self.request.retries < n:
        raise self.retry(countdown=delay, exc=ValueError('attempt %d' % self.request.retries))
    return self.request.retries


@app.task(name='py.retry_exhaust', bind=True, max_retries=2, default_retry_delay=0.1)
def retry_exhaust(self):
    raise self.retry(exc=PyError(7, 'gave up'))


@app.task(name='py.retry_exhaust_noexc', bind=True, max_retries=1, default_retry_delay=0.1)
def retry_exhaust_noexc(self):
    """Ends with MaxRetriesExceededError."""
    raise self.retry()


@app.task(name='py.autoretry', autoretry_for=(ValueError,), max_retries=3,
          retry_backoff=False, default_retry_delay=0.1, bind=True)
def autoretry(self, succeed_at):
    if self.request.retries < succeed_at:
        raise ValueError('not yet')
    return self.request.retries


@app.task(name='py.ignore', bind=True)
def ignore(self):
    self.update_state(state='CUSTOM', meta={'kept': True})
    raise Ignore()


@app.task(name='py.reject', bind=True, acks_late=True)
def reject(self):
    mark('py:reject', self.request.id)
    raise Reject('no', requeue=False)


@app.task(name='py.reject_requeue_once', bind=True, acks_late=True)
def reject_requeue_once(self):
    mark('py:requeue:' + self.request.id, str(self.request.delivery_info.get('redelivered')))
    import redis
    if redis.Redis.from_url(MARK_URL).llen('py:requeue:' + self.request.id) < 2:
        raise Reject('again', requeue=True)
    return 'second time'


# --- state, limits, results ------------------------------------------------
@app.task(name='py.progress', bind=True)
def progress(self, n=3, pause=0.2):
    for i in range(n):
        self.update_state(state='PROGRESS', meta={'current': i + 1, 'total': n})
        time.sleep(pause)
    return {'done': n}


@app.task(name='py.ignored', ignore_result=True)
def ignored(key='py:ignored'):
    mark(key, 'ran')
    return 'never stored'


@app.task(name='py.sleep')
def sleep_(seconds):
    time.sleep(seconds)
    return seconds


@app.task(name='py.soft', soft_time_limit=1)
def soft(seconds=5):
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded:
        return 'soft limit'
    return 'no limit'


@app.task(name='py.soft_uncaught', soft_time_limit=1)
def soft_uncaught(seconds=5):
    time.sleep(seconds)


@app.task(name='py.hard', time_limit=1)
def hard(seconds=5):
    time.sleep(seconds)


@app.task(name='py.mark')
def mark_task(key, value):
    mark(key, value)
    return value


@app.task(name='py.record')
def record(result, key):
    """link callback: result comes first."""
    mark(key, repr(result))
    return result


# --- error callbacks --------------------------------------------------------
@app.task(name='py.errback_old')
def errback_old(task_id):
    """One positional argument: called as errback(task_id), as a message."""
    mark('py:errback:' + task_id, 'old')
    return task_id


@app.task(name='py.errback_new')
def errback_new(req, exc, traceback):
    """Three: called inside the failing worker with (request, exc, tb)."""
    mark('py:errback:' + req.id, 'new %s %s' % (type(exc).__name__, exc))


# --- canvas inside a task ---------------------------------------------------
@app.task(name='py.replace_add', bind=True)
def replace_add(self, x, y):
    raise self.replace(add.s(x, y))


@app.task(name='py.replace_group', bind=True)
def replace_group(self, numbers):
    raise self.replace(group(add.s(n, 10) for n in numbers))


@app.task(name='py.chain_inside')
def chain_inside(x):
    return chain(add.s(x, 1), add.s(2)).apply_async().id


@app.task(name='py.chord_inside')
def chord_inside(numbers):
    return chord((add.s(n, 1) for n in numbers), tsum.s()).apply_async().id


@app.task(name='py.ids', bind=True)
def ids(self, prev=None, label=None):
    return {'id': self.request.id, 'root': self.request.root_id,
            'parent': self.request.parent_id, 'group': self.request.group,
            'label': label, 'prev': prev}


class ClassTask(Task):
    """A class based task with hooks; each hook leaves a mark."""

    name = 'py.classtask'

    def run(self, what):
        if what == 'fail':
            raise ValueError('class task')
        return what

    def on_success(self, retval, task_id, args, kwargs):
        mark('py:hooks:' + task_id, 'on_success %r' % (retval,))

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        mark('py:hooks:' + task_id, 'on_failure %r' % (exc,))

    def after_return(self, status, retval, task_id, args, kwargs, einfo):
        mark('py:hooks:' + task_id, 'after_return %s' % status)


app.register_task(ClassTask())
