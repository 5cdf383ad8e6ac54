"""Test fixture: Celery with queues on every kind of exchange. Used by test/interop/routing.test.ts.

As a worker: `celery -A routing_app worker -Q …`. Each task notes itself: RPUSH <node> "<task> <argument> <exchange>/<routing key>".
As a client: `python3 routing_app.py <task> <args as JSON> <options as JSON>` sends one call and prints its id.
Environment: TQ_BROKER_URL (results and notes are there, too), TQ_CONFIG (JSON: Celery settings to add).
"""
import json
import os
import sys

from celery import Celery
from kombu import Exchange, Queue
from kombu.common import Broadcast

URL = os.environ['TQ_BROKER_URL']
work = Exchange('work', type='topic')

app = Celery('routing', broker=URL, backend=URL)
app.conf.update(
    task_queues=[
        Queue('py.feeds', work, routing_key='py.feed.#'),
        Queue('py.images', work, routing_key='py.image.*'),
        Queue('tq.feeds', work, routing_key='tq.feed.#'),
        Queue('py.ranked', Exchange('py.ranked'), routing_key='py.ranked'),
        Broadcast('config'),
    ],
    task_default_queue='py.ranked',
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    **json.loads(os.environ.get('TQ_CONFIG', '{}')),
)


@app.task(name='note', bind=True)
def note(self, what):
    import redis
    info = self.request.delivery_info
    line = '%s %s/%s' % (what, info['exchange'], info['routing_key'])
    redis.Redis.from_url(URL).rpush('notes:' + self.request.hostname, line)
    return {'eta': self.request.eta, 'tenant': getattr(self.request, 'tenant', None), 'properties': {
        key: value for key, value in self.request.properties.items() if key in ('message_id', 'app_id', 'priority')}}


if __name__ == '__main__':
    task, args, options = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
    print(app.send_task(task, args=args, **options).id)
