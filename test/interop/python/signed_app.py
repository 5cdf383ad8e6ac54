"""Test fixture: a Celery app that signs what it sends and runs only what is signed.

As a module it is a worker's app (`celery -A signed_app worker`); as a program it sends one task and prints its value:
`python3 signed_app.py TASK '[arguments as JSON]' QUEUE`. Environment: TQ_BROKER_URL, TQ_RESULT_BACKEND, TQ_KEY, TQ_CERTIFICATE,
TQ_STORE (files), TQ_INNER (serializer of what is signed, json), TQ_QUEUE (signed: the one queue that the worker consumes).
"""
import json
import os
import sys

from celery import Celery

app = Celery('signed', broker=os.environ['TQ_BROKER_URL'], backend=os.environ['TQ_RESULT_BACKEND'])
app.conf.update(
    security_key=os.environ['TQ_KEY'],
    security_certificate=os.environ['TQ_CERTIFICATE'],
    security_cert_store=os.environ['TQ_STORE'],
    task_serializer='auth',
    accept_content=['auth'],
    result_serializer='json',
    result_accept_content=['json'],
    task_default_queue=os.environ.get('TQ_QUEUE', 'signed'),
)
app.setup_security(serializer=os.environ.get('TQ_INNER', 'json'))


@app.task(name='signed.echo')
def echo(*args):
    return list(args)


if __name__ == '__main__':
    task, arguments, queue = sys.argv[1:]
    print(json.dumps(app.send_task(task, args=json.loads(arguments), queue=queue).get(timeout=15)))
