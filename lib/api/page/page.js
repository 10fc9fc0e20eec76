'use strict';
// The status page: one document from /api/v1/status, live by /api/v1/events. Over TCP both need the token, which
// EventSource can't send, so the stream is read by fetch. Everything from the service is put in as text, never as markup.

const byId = (id) => document.getElementById(id);
const fromFragment = new URLSearchParams(location.hash.slice(1)).get('token');
if (fromFragment) {
  sessionStorage.setItem('token', fromFragment);
  history.replaceState(null, '', location.pathname);
}

function ask(path, options = {}) {
  const token = sessionStorage.getItem('token');
  return fetch(path, {...options, headers: token ? {Authorization: 'Bearer ' + token} : {}, cache: 'no-store'});
}

async function document_of(path) {
  const answer = await ask(path, {signal: AbortSignal.timeout(20000)});
  if (answer.status === 401) {
    throw Object.assign(new Error('the token was refused'), {unauthorized: true});
  }
  if (!answer.ok) {
    const body = await answer.json().catch(() => null);
    throw new Error(body?.error?.message ?? 'the service answers ' + answer.status);
  }
  return answer.json();
}

function element(name, text, className) {
  const e = document.createElement(name);
  if (text !== undefined && text !== null) e.textContent = String(text);
  if (className) e.className = className;
  return e;
}

const count = (n) => Number(n ?? 0).toLocaleString('en');
const many = (n, what) => count(n) + ' ' + what + (n === 1 ? '' : 's');
function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let at = 0;
  for (n = Number(n ?? 0); n >= 1024 && at + 1 < units.length; ++at) n /= 1024;
  return (at === 0 ? n : n.toFixed(1)) + ' ' + units[at];
}
function span(seconds) {
  seconds = Math.max(0, Math.round(seconds));
  if (seconds < 90) return seconds + ' s';
  if (seconds < 5400) return Math.round(seconds / 60) + ' min';
  if (seconds < 172800) return Math.round(seconds / 3600) + ' h';
  return Math.round(seconds / 86400) + ' days';
}
const ago = (time) => (time ? span((Date.now() - Date.parse(time)) / 1000) + ' ago' : 'never');
const until = (time) => (time ? 'in ' + span((Date.parse(time) - Date.now()) / 1000) : '');

// columns: [title, function of a row, 'number' for figures or 'short' for what must not be broken]
function table(rows, columns, nothing) {
  if (!rows?.length) return element('p', nothing, 'quiet');
  const out = element('table');
  const head = out.appendChild(element('tr', null, 'head'));
  for (const [title, , kind] of columns) head.append(element('th', title, kind));
  for (const row of rows) {
    const line = out.appendChild(element('tr'));
    for (const [title, value, kind] of columns) {
      const cell = line.appendChild(element('td', value(row), kind));
      cell.dataset.label = title;
    }
  }
  return out;
}

function verdict(s) {
  const notes = [];
  let level = 'good';
  const raise = (to, text) => {
    if (to === 'bad' || level === 'good') level = to;
    notes.push(text);
  };
  const reasons = s.service?.not_ready ?? [];
  for (const r of reasons) raise('bad', (r.message ?? r.kind) + (r.hint ? ': ' + r.hint : ''));
  const silence = s.service?.no_answer;
  if (silence && !reasons.length) raise('care', 'no answer, the first failure ' + ago(silence.since) + ': ' + silence.error.message);
  if (!s.generation) raise('care', 'nothing has been staged yet: the first pass is not complete');
  const held = s.guard.filter((g) => !g.approved);
  if (held.length && !reasons.some((r) => r.kind === 'guard')) raise('care', many(held.reduce((n, g) => n + g.held, 0), 'held deletion') + ': m365stage guard list');
  if (s.failing.length) raise('care', many(s.failing.reduce((n, g) => n + g.items, 0), 'item') + ' owed');
  if (s.containers.failing) raise('care', many(s.containers.failing, 'container') + ' could not be read');
  const heading = {good: 'Everything is staged', care: 'Staged, but look at this', bad: 'A backup must not run now'}[level];
  const box = byId('verdict');
  box.className = level;
  box.querySelector('h2').textContent = heading;
  box.querySelector('ul').replaceChildren(...notes.map((n) => element('li', n)));
}

function facts(s) {
  const v = s.service ?? {};
  const rows = [
    ['Coverage', s.coverage_percent + ' %'],
    ['Items staged', count(s.items.staged) + ' of ' + count(s.items.known)],
    ['Size', bytes(s.containers.bytes)],
    ['Generation', count(s.generation)],
    ['Last good pass', ago(v.last_success_at)],
    ['Next pass', v.pass ? 'running' : until(v.next_pass_at)],
    ['Waiting to fetch', count(s.backlog.to_fetch)],
    ['Waiting to place', count(s.backlog.spooled)],
    ['Disk free', bytes(v.disk_free_bytes)],
    ['Slowed by Microsoft', span(v.requests?.throttled_seconds ?? 0) + ', ' + count(v.requests?.throttled) + ' times'],
  ];
  byId('facts').replaceChildren(...rows.map(([name, value]) => {
    const pair = element('div');
    pair.append(element('dt', name), element('dd', value));
    return pair;
  }));
}

function progress(pass) {
  const box = byId('pass');
  box.hidden = !pass;
  if (!pass) return;
  const bar = box.querySelector('progress');
  if (pass.to_fetch > 0) {
    bar.max = pass.to_fetch;
    bar.value = pass.fetched;
  } else {
    bar.removeAttribute('value');
  }
  box.querySelector('p').textContent = 'began ' + ago(pass.started_at) + '; ' + count(pass.items_seen) + ' items seen, ' +
    count(pass.fetched) + ' of ' + count(pass.to_fetch) + ' fetched (' + bytes(pass.fetched_bytes) + '), ' + count(pass.applied) + ' placed';
}

function list(name, content) {
  document.querySelector('[data-list=' + name + '] > div').replaceChildren(content);
}

function show(s) {
  verdict(s);
  facts(s);
  progress(s.service?.pass);
  list('failing', table(s.failing, [['Reason', (g) => g.reason, 'short'], ['Items', (g) => count(g.items), 'number'],
    ['Oldest', (g) => ago(g.oldest), 'short'], ['Tries', (g) => count(g.attempts), 'number'],
    ['For example', (g) => (g.examples[0] ? g.examples[0].path + ': ' + g.examples[0].error : '')]],
  'Nothing: every item known is in the tree.'));
  list('guard', table(s.guard, [['Container', (g) => g.container], ['Deletions', (g) => count(g.held), 'number'],
    ['State', (g) => (g.approved ? 'approved, the next pass removes them' : 'm365stage guard approve ' + g.container)]], 'None.'));
  list('leases', table(s.leases, [['Job', (l) => l.job_id], ['Held by', (l) => l.holder], ['Since', (l) => ago(l.since)],
    ['Ends by itself', (l) => until(l.until)]], 'No backup reads the tree.'));
  list('uncovered', table(s.not_covered, [['Owner', (u) => u.owner], ['What and why', (u) => u.reason], ['Since', (u) => ago(u.since)]],
    'Nothing known.'));
  list('passes', table(s.passes, [['Began', (p) => ago(p.started_at), 'short'], ['Outcome', (p) => p.outcome, 'short'],
    ['Took', (p) => (p.seconds === null ? '' : span(p.seconds)), 'number'], ['Changed', (p) => count(p.numbers.items_changed), 'number'],
    ['Fetched', (p) => count(p.numbers.fetched) + ' (' + bytes(p.numbers.fetched_bytes) + ')', 'number']], 'None yet.'));
}

async function containers() {
  // Shell patterns; brackets and stars that a person types mean what they mean to `ls`.
  const text = byId('search').value.trim();
  const query = text ? '?limit=50&pattern=' + encodeURIComponent('*' + text + '*') : '?limit=50';
  const answer = await document_of('/api/v1/containers' + query);
  byId('containers').replaceChildren(table(answer.containers, [['Container', (c) => c.container],
    ['Items', (c) => count(c.items), 'number'], ['Last round', (c) => ago(c.last_round_at), 'short'],
    ['State', (c) => (c.error ? c.state + ': ' + c.error : c.state)]], 'No container matches.'));
  if (answer.next) byId('containers').append(element('p', 'Only the first 50 are shown: search for others.', 'quiet'));
}

async function changes() {
  const answer = await document_of('/api/v1/changes?newest=true&limit=20');
  byId('changes').replaceChildren(table(answer.changes, [['Generation', (c) => c.generation, 'number'],
    ['What', (c) => c.what, 'short'], ['Path', (c) => (c.old_path && c.new_path ? c.old_path + ' → ' + c.new_path : c.new_path ?? c.old_path)]],
  'None yet.'));
}

async function jobs() {
  const answer = await document_of('/api/v1/jobs?limit=10');
  const state = (j) => {
    if (j.ended_at) return j.saved ? 'saved' : 'not saved: ' + j.status;
    return j.read_at ? 'read (' + j.read_status + '), end not told' : 'reads the tree';
  };
  list('jobs', table(answer.jobs, [['Job', (j) => j.job_id, 'short'], ['Name', (j) => j.name], ['Level', (j) => j.level],
    ['Began', (j) => ago(j.started_at), 'short'], ['Generation', (j) => count(j.generation), 'number'], ['State', state]],
  'No job has asked for the tree yet.'));
}

let refreshing = null;
function refresh() {
  refreshing ??= (async () => {
    try {
      show(await document_of('/api/v1/status'));
      await containers();
      await changes();
      await jobs();
    } finally {
      refreshing = null;
    }
  })();
  return refreshing;
}

function connected(yes, text) {
  byId('connection').className = yes ? '' : 'lost';
  byId('connection').textContent = text;
}

// Reads the stream until it ends; progress moves the bar alone, any other event asks for the whole document.
async function follow() {
  const answer = await ask('/api/v1/events');
  if (!answer.ok) throw new Error('no event stream');
  connected(true, 'live');
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const events = (rest + value).split('\n\n');
    rest = events.pop();
    for (const event of events) {
      const data = event.split('\n').find((line) => line.startsWith('data: '));
      if (!data) continue;
      const news = JSON.parse(data.slice(6));
      if (news.what === 'progress') progress(news.service.pass);
      else await refresh();
    }
  }
}

async function live() {
  for (let pause = 1000;; pause = Math.min(pause * 2, 30000)) {
    let why = 'connection lost';
    try {
      await refresh();
      byId('sign-in').hidden = true;
      byId('status').hidden = false;
      pause = 1000;
      await follow();
    } catch (e) {
      if (e.unauthorized) {
        byId('sign-in-error').textContent = sessionStorage.getItem('token') ? e.message : '';
        byId('sign-in').hidden = false;
        byId('status').hidden = true;
        connected(false, 'signed out');
        return;
      }
      why = e.message;
    }
    connected(false, why + ', at ' + new Date().toLocaleTimeString() + ': what is shown may be old');
    await new Promise((after) => setTimeout(after, pause));
  }
}

byId('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem('token', byId('token').value.trim());
  byId('token').value = '';
  live();
});
byId('search').addEventListener('input', () => containers().catch(() => {}));
live();
