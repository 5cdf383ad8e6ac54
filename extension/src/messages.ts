import type { l10n } from 'vscode'

/** Looks a text up in the user's language and fills `{0}` in; `vscode.l10n`, or `plainWords` where there is no editor. */
export type Words = Pick<typeof l10n, 't'>
export type Messages = ReturnType<typeof createMessages>

/** Every text a user reads that the manifest does not hold. */
export function createMessages(words: Words) {
  const { t } = words
  return {
    run: t('Run'),
    runTooltip: (task: string) => t('Send {0} and show its result here', task),
    restricted: t('Restricted Mode: nothing is run. Trust this workspace to run tasks.'),
    restrictedView: t('Restricted Mode: tasks are shown, not run.'),
    manageTrust: t('Manage Workspace Trust'),
    virtual: t('tq needs files on a disk: this workspace is virtual.'),

    // Views
    onlyOnWorkers: t('Only on workers'),
    onlyOnWorkersTip: t('Live workers have these tasks; this folder does not define them.'),
    registered: t('on {0}'),
    onWorkers: (count: number) => (count === 1 ? t('on 1 worker') : t('on {0} workers', count)),
    onNoWorker: t('not on any worker'),
    dynamicName: t('name known at run time only'),
    queueOf: (queue: string) => t('queue {0}', queue),
    options: t('Options'),
    returns: t('Returns'),
    stale: (age: string) => t('no heartbeat for {0}', age),
    offline: t('offline'),
    activity: (active: string, processed: number) => t('{0} active · {1} processed', active, processed),
    ownWorker: t('started here'),
    queues: t('Queues'),
    registeredTasks: t('Registered tasks'),
    slots: t('Slots'),
    notAnswered: t('not answered yet'),
    ready: (count: number) => t('{0} ready', count),
    held: (count: number) => t('{0} held', count),
    parked: (count: number) => t('{0} scheduled', count),
    consumers: (count: number) => (count === 1 ? t('1 consumer') : t('{0} consumers', count)),
    noConsumer: t('no consumer'),

    // Results
    starting: t('starting'),
    waiting: t('waiting'),
    running: t('running'),
    ago: (age: string) => t('{0} ago', age),
    argumentsWord: t('Arguments'),
    libraryFrames: (count: number) =>
      count === 1 ? t('… 1 frame in libraries') : t('… {0} frames in libraries', count),
    runAgain: t('Run again'),
    showWhole: t('Show whole result'),
    copy: t('Copy'),
    copied: t('tq: result copied'),
    noResult: t('No result to show: run a task first.'),
    cutFrom: (count: number) => t('… cut: the whole has {0} characters', count),
    gone: (reason: string) => t('This result cannot be shown any more: {0}', reason),
    others: (count: number) => t('{0} more finished tasks', count),

    // Questions
    chooseTask: t('Task to run'),
    chooseOpen: t('Task to go to'),
    chooseApp: t('App to start a worker for'),
    chooseWorker: t('Worker'),
    chooseRun: t('Run to cancel'),
    leaveOut: t('leave out'),
    leaveOutHint: t('empty leaves it out'),
    defaultHint: (value: string) => t('empty leaves it out (default {0})', value),
    restHint: t('values with commas between, as many as you like; empty for none'),
    allArgumentsHint: t('parameters unknown: all arguments as one JSON list, such as [2, "a"]'),
    hints: {
      number: t('a number'),
      string: t('text'),
      date: t("a date such as 2026-01-31T12:00Z, or 'now'"),
      bigint: t('a whole number'),
      json: t('JSON, such as {0}', "{ name: 'value' }"),
      list: (example: string) => t('a list such as {0}', example),
    },
    required: t('A value is needed.'),
    notANumber: (text: string) => t("Not a number: '{0}'.", text),
    notFinite: t('NaN and Infinity cannot be sent.'),
    notADate: (text: string) => t("Not a date: '{0}'. Write it as 2026-01-31T12:00Z, or 'now'.", text),
    notAWhole: (text: string) => t("Not a whole number: '{0}'.", text),
    notABoolean: (text: string) => t("Expected true or false, got '{0}'.", text),
    notAChoice: (text: string, choices: string) => t("Expected one of {0}, got '{1}'.", choices, text),
    notJson: (reason: string) => t('Not JSON: {0}. Text needs quotes.', reason),
    notAList: t('Expected a list.'),
    wrongType: (path: string, wanted: string, got: string) => t('{0}: expected {1}, got {2}.', path, wanted, got),
    noType: (wanted: string, text: string) => t("Expected {0}, got '{1}'.", wanted, text),
    stopWorker: (name: string) => t('Stop worker {0}?', name),
    stopDetail: t('It finishes the tasks it runs; a task that takes longer than its grace goes back to the queue.'),
    stop: t('Stop'),
    startWorker: t('Start Worker'),
    cancelRun: t('Cancel Run'),

    // Troubles
    showLog: t('Show Log'),
    restart: t('Restart'),
    setNode: t('Set the Path of Node'),
    failed: (what: string, reason: string) => t('tq: {0}: {1}', what, reason),
    cannotRun: (task: string) => t('cannot run {0}', task),
    cannotStart: t('cannot start a worker'),
    cannotStop: t('cannot stop the worker'),
    cannotInspect: t('cannot inspect the worker'),
    noNode: t('tq needs Node.js 22.18 or newer; none was found.'),
    scanOnly: t('Tasks are shown, not run: tq needs Node.js 22.18 or newer for that.'),
    ended: t('The background process of tq has ended several times.'),
    notRunning: t('the background process is not running'),
    noTasks: t('tq: no tasks were found in this workspace.'),
    noDefinition: (task: string) => t('tq: there is no definition of {0} here.', task),
    noApp: t('tq: no app was found to start a worker for.'),
    noWorker: t('tq: no worker is there.'),
    noRun: t('tq: nothing is running.'),
    untrustedRefusal: t('tq: this workspace is not trusted, so nothing is run.'),
    badNode: (path: string, version: string) =>
      t('The Node of tq.nodePath is not used: {0} ({1}). It needs 22.18 or newer.', path, version),

    // Status bar
    statusRestricted: t('tq: restricted'),
    statusNoNode: t('tq: no Node'),
    statusScanOnly: t('tq: scan only'),
    statusEnded: t('tq: ended'),
    statusLooking: t('tq: looking…'),
    statusLost: t('tq: broker lost'),
    statusFailed: t('tq: not connected'),
    statusNoWorker: (broker: string) => t('tq: {0} · no worker', broker),
    statusBroker: (broker: string) => t('tq: {0}', broker),
    statusApps: (count: number) => t('tq: {0} apps', count),
    embedded: t('embedded'),
    connecting: t('connecting'),
    workers: (count: number) => (count === 1 ? t('1 worker') : t('{0} workers', count)),
    noWorkerHere: t('no worker'),
    workerComes: t('A worker comes by itself with the next run.'),
    brokerLost: t('broker lost'),
    notConnected: t('not connected'),
    noProblems: t('No problems'),
    problems: (count: number) => (count === 1 ? t('1 problem') : t('{0} problems', count)),
    nodeOrigin: {
      setting: t('from the setting tq.nodePath'),
      path: t('from PATH'),
      editor: t("the editor's own"),
    },
    state: t('State'),
    actions: t('Actions'),
    scanned: (tasks: number) => (tasks === 1 ? t('1 task') : t('{0} tasks', tasks)),
  }
}

/** The texts as they are written, for where there is no editor. */
export const plainWords: Words = {
  t(message: unknown, ...values: unknown[]): string {
    return String(message).replaceAll(/\{(\d)\}/gu, (_, index) => String(values[Number(index)]))
  },
}
