"""Test fixture: an abortable task in Python, and `python abortable_app.py abort <id>` to abort any task.

Environment: TQ_BROKER_URL, TQ_RESULT_BACKEND. A worker of it consumes the queue `py` only.
"""
import os
import sys
import time

from celery import Celery
from celery.contrib.abortable import AbortableAsyncResult, AbortableTask

os.environ.setdefault("C_FORCE_ROOT", "1")

app = Celery('abortable_app', broker=os.environ['TQ_BROKER_URL'], backend=os.environ['TQ_RESULT_BACKEND'])
app.conf.update(task_default_queue='py', worker_hijack_root_logger=False)


@app.task(name='py.abortable', bind=True, base=AbortableTask)
def abortable(self):
    """Runs until it is aborted."""
    self.update_state(state='BEGUN')
    while not self.is_aborted():
        time.sleep(0.01)
    return 'aborted in Python'


if __name__ == '__main__':
    AbortableAsyncResult(sys.argv[2], app=app).abort()
