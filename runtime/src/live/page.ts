import type { IncomingMessage, ServerResponse } from 'node:http'

/** Nothing from elsewhere, nothing inline, in nobody's frame. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const files: ReadonlyMap<string, { readonly type: string; readonly text: () => string }> = new Map([
  ['/', { type: 'text/html; charset=utf-8', text: () => html }],
  ['/live.js', { type: 'text/javascript; charset=utf-8', text: () => script }],
  ['/live.css', { type: 'text/css; charset=utf-8', text: () => style }],
])

/** Answers with the page, which knows nothing: what it shows comes over the WebSocket, for the token. */
export function servePage(request: IncomingMessage, response: ServerResponse): void {
  const file = files.get(request.url?.split('?')[0] ?? '')
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  response.writeHead(file ? (isRead ? 200 : 405) : 404, {
    'Content-Type': file?.type ?? 'text/plain; charset=utf-8',
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
  })
  response.end(file && request.method === 'GET' ? file.text() : undefined)
}

const html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>tq live</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/live.css">
    <script src="/live.js" defer></script>
  </head>
  <body>
    <header>
      <h1>tq live</h1>
      <span id="state" role="status">connecting</span>
      <span id="workers"></span>
    </header>
    <form id="login" hidden>
      <label>Token <input id="token" type="password" autocomplete="off" required></label>
      <button>Connect</button>
    </form>
    <main id="main" hidden>
      <form id="watch">
        <label>Watch a task <input id="id" placeholder="task id" autocomplete="off" spellcheck="false" required></label>
        <button>Watch</button>
      </form>
      <section id="watched" aria-label="Watched tasks" aria-live="polite"></section>
      <table>
        <thead><tr><th>Task</th><th>Arguments</th><th>State</th><th>Result</th><th>Seconds</th><th>Worker</th></tr></thead>
        <tbody id="tasks"></tbody>
      </table>
      <p id="empty">Nothing yet. Tasks appear here as workers tell of them.</p>
    </main>
    <noscript>This page needs JavaScript.</noscript>
  </body>
</html>
`

const style = `:root { color-scheme: light dark; font: 14px/1.45 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 80rem; padding: 1rem; }
header { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; }
h1 { font-size: 1.2rem; margin: 0; }
form { margin: 1rem 0; display: flex; gap: .5rem; align-items: end; }
form[hidden] { display: none; }
input { font: inherit; min-width: 20rem; max-width: 100%; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td { text-align: left; padding: .25rem .5rem; border-bottom: 1px solid #8884; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
th:nth-child(3), th:nth-child(5) { width: 6rem; }
th:nth-child(4) { width: 40%; }
tbody tr { cursor: pointer; }
#watched div { display: flex; gap: .5rem; align-items: start; }
#watched button { border: 0; background: none; color: inherit; cursor: pointer; }
td, pre { font-family: ui-monospace, monospace; font-size: 13px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .25rem 0 .75rem; max-height: 20rem; overflow: auto; }
[data-state=SUCCESS] { color: light-dark(#116329, #57ab5a); }
[data-state=FAILURE], [data-state=REVOKED] { color: light-dark(#a40e26, #f47067); }
[data-state=RETRY], [data-state=REJECTED] { color: light-dark(#7d4e00, #daaa3f); }
`

// For a browser: no types, no imports, and text only ever set as text.
const script = `'use strict'
const $ = (id) => document.getElementById(id)
const rows = new Map()
const cards = new Map()
const mostRows = 500
let token = ''
let socket
let attempts = 0
let refused = false

function start() {
  // A fragment is not sent to any server; taken out at once, it stays out of the history as well.
  const given = new URLSearchParams(location.hash.slice(1)).get('token')
  if (given) {
    sessionStorage.setItem('tq-live-token', given)
    history.replaceState(null, '', location.pathname)
  }
  token = sessionStorage.getItem('tq-live-token') ?? ''
  $('login').addEventListener('submit', (event) => {
    event.preventDefault()
    token = $('token').value
    sessionStorage.setItem('tq-live-token', token)
    connect()
  })
  $('watch').addEventListener('submit', (event) => {
    event.preventDefault()
    const id = $('id').value.trim()
    if (id) watch(id)
    $('id').value = ''
  })
  if (token) connect()
  else askForToken('token needed')
}

function askForToken(why) {
  $('state').textContent = why
  $('login').hidden = false
  $('main').hidden = true
  $('token').focus()
}

function connect() {
  refused = false
  $('login').hidden = true
  $('state').textContent = 'connecting'
  socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '/live')
  socket.addEventListener('open', () => send({ type: 'hello', token }))
  socket.addEventListener('message', (event) => take(JSON.parse(event.data)))
  socket.addEventListener('close', (event) => {
    if (event.code === 4401) {
      refused = true
      sessionStorage.removeItem('tq-live-token')
      return askForToken('token refused')
    }
    const seconds = Math.min(30, 2 ** attempts++)
    $('state').textContent = 'connection lost' + (event.reason ? ': ' + event.reason : '') + '; again in ' + seconds + ' s'
    setTimeout(() => { if (!refused) connect() }, seconds * 1000)
  })
}

function send(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message))
}

function take(message) {
  if (message.type === 'ready') {
    attempts = 0
    $('main').hidden = false
    $('state').textContent = 'live: ' + message.app
    send({ type: 'watch-cluster' })
    for (const id of cards.keys()) send({ type: 'watch-task', id })
  } else if (message.type === 'cluster') {
    if (message.reset) for (const id of [...rows.keys()]) drop(id)
    for (const task of message.tasks) showRow(task)
    const alive = message.workers.filter((one) => one.alive)
    $('workers').textContent = alive.length === 0 ? 'no worker' : 'workers: ' + alive.map((one) => one.hostname).join(', ')
    $('empty').hidden = rows.size > 0
  } else if (message.type === 'task') showCard(message.task)
  else if (message.type === 'error') {
    if (message.id && cards.has(message.id)) cards.get(message.id).textContent = message.message
    else $('state').textContent = message.message
  }
}

function watch(id) {
  if (!cards.has(id)) {
    const card = document.createElement('pre')
    card.textContent = id + '  PENDING'
    card.dataset.id = id
    cards.set(id, card)
    const close = document.createElement('button')
    close.textContent = '×'
    close.title = 'Stop watching'
    close.addEventListener('click', () => unwatch(id))
    const box = document.createElement('div')
    box.append(close, card)
    $('watched').prepend(box)
  }
  send({ type: 'watch-task', id })
}

function unwatch(id) {
  cards.get(id)?.parentElement.remove()
  cards.delete(id)
  send({ type: 'unwatch-task', id })
}

function showCard(task) {
  const card = cards.get(task.id)
  if (!card) return
  let text = task.id + '  ' + task.state
  if (task.resultBytes !== undefined) text += '\\n(a result of ' + task.resultBytes + ' bytes)'
  else if (task.result !== undefined) text += '\\n' + JSON.stringify(task.result, null, 2)
  if (task.traceback) text += '\\n' + task.traceback
  else if (task.error) text += '\\n' + task.error.type + ': ' + task.error.message
  card.textContent = text
  card.dataset.state = task.state
}

function showRow(task) {
  let row = rows.get(task.id)
  if (!row) {
    row = document.createElement('tr')
    row.dataset.id = task.id
    for (let i = 0; i < 6; i++) row.append(document.createElement('td'))
    row.tabIndex = 0
    row.title = 'Watch ' + task.id
    row.addEventListener('click', () => watch(task.id))
    row.addEventListener('keydown', (event) => { if (event.key === 'Enter') watch(task.id) })
    rows.set(task.id, row)
    $('tasks').prepend(row)
    if (rows.size > mostRows) drop(rows.keys().next().value)
  }
  const texts = [
    task.name || task.id,
    task.kwargs === '{}' ? task.args : (task.args + ' ' + task.kwargs).trim(),
    task.state,
    task.result ?? task.exception ?? '',
    task.runtime === undefined ? '' : task.runtime.toFixed(3),
    task.worker ?? '',
  ]
  texts.forEach((text, i) => {
    row.cells[i].textContent = text
    row.cells[i].title = text
  })
  row.dataset.state = task.state
}

function drop(id) {
  rows.get(id)?.remove()
  rows.delete(id)
}

start()
`
