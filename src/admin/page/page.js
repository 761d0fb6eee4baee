// What the page knows, what makes it know more, and what its buttons do.

const EVERY = 2000; // ms from one answer to the next question
const PATIENCE = 5000; // ms

let status = null; // what /status said last
let answeredAt = null; // when
let gone = null; // why it says nothing now: { why } or { status }
let hovered = null; // the sample under the pointer: { chart, at }
let everyFailure = false; // whether all of them are shown
let wantsToken = false; // whether the listener has asked for admin.token
const outcomes = {}; // by account: what the operator's wish came to
let language = remembered('language', ['en', 'zh']) ?? firstLanguage();
let theme = remembered('theme', ['auto', 'light', 'dark']) ?? 'auto';
let words = WORDS[language];

function remembered(name, known) {
  try {
    const value = localStorage.getItem(`wxgate.${name}`);
    return known.includes(value) ? value : null;
  } catch {
    return null; // a browser that keeps nothing
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(`wxgate.${name}`, value);
  } catch {
    // then it holds for this visit
  }
}

// Accept-Language, as scripts see it.
function firstLanguage() {
  const wanted = navigator.languages.map((tag) => tag.toLowerCase().split('-')[0]);
  return wanted.find((tag) => tag in WORDS) ?? 'en';
}

function render() {
  const root = document.documentElement;
  root.lang = language === 'zh' ? 'zh-CN' : 'en';
  root.dataset.theme = theme;
  document.title = `${headline()[1]} – wxgate`;
  patch(document.getElementById('page'), view().filter(Boolean));
}

async function ask() {
  try {
    const answer = await fetch('status', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) {
      gone = { status: answer.status };
      return;
    }
    const said = await answer.json();
    if (status && said.version !== status.version) location.reload(); // another build has another page
    [status, answeredAt, gone] = [said, Date.now(), null];
  } catch (error) {
    gone = { why: error.name === 'TimeoutError' ? 'timeout' : 'network' };
  }
}

// Asks while somebody looks. A page in the background asks nobody.
async function follow() {
  for (;;) {
    if (!document.hidden) {
      await ask();
      render();
    }
    await new Promise((resolve) => {
      const timer = setTimeout(done, EVERY);
      function done() {
        clearTimeout(timer);
        document.removeEventListener('visibilitychange', done);
        resolve();
      }
      document.addEventListener('visibilitychange', done);
    });
  }
}

const DEEDS = {
  language(value) {
    language = value;
    words = WORDS[value];
    remember('language', value);
  },
  theme(value) {
    theme = value;
    remember('theme', value);
  },
  failures() {
    everyFailure = !everyFailure;
  },
  ask: confirmRefresh,
};

document.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-do]');
  if (!button) return;
  DEEDS[button.dataset.do]?.(button.dataset.value);
  render();
});

function confirmRefresh(name) {
  const dialog = document.getElementById('confirm');
  const endpoint = status.accounts.find((account) => account.name === name)?.token?.endpoint;
  patch(dialog, [
    h('h2', { id: 'confirm-title' }, words.confirmTitle(name)), h('p', {}, words.confirmText),
    endpoint === 'classic' ? h('span', {}) : h('label', {}, h('input', { type: 'checkbox', id: 'force' }), h('span', {}, words.confirmForce)),
    wantsToken ? h('label', { class: 'field' }, words.adminToken, h('input', { type: 'password', id: 'token', autocomplete: 'off' })) : h('span', {}),
    h('div', { class: 'actions' },
      h('button', { type: 'button', 'data-do': 'close' }, words.cancel), h('button', { type: 'button', class: 'main', 'data-do': 'go', 'data-value': name }, words.confirmGo)),
  ]);
  const force = document.getElementById('force');
  if (force) force.checked = false;
  if (wantsToken) document.getElementById('token').value = '';
  dialog.showModal();
}

DEEDS.close = () => document.getElementById('confirm').close();

DEEDS.go = (name) => {
  const force = document.getElementById('force')?.checked === true;
  const token = document.getElementById('token')?.value; // used once, and kept nowhere
  DEEDS.close();
  refresh(name, force, token);
};

async function refresh(name, force, token) {
  outcomes[name] = 'waiting';
  const path = `accounts/${encodeURIComponent(name)}/refresh${force ? '?force=true' : ''}`;
  try {
    const headers = { 'X-Wxgate-Admin': '1', ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(path, { method: 'POST', headers });
    wantsToken ||= answer.status === 403;
    const text = await answer.text();
    let said = {};
    try {
      said = JSON.parse(text);
    } catch {
      said = { message: text.trim() }; // a refusal in plain words
    }
    outcomes[name] = { outcome: said.outcome, status: answer.status, message: said.message };
  } catch {
    outcomes[name] = { outcome: 'unreachable' };
  }
  await ask();
  render();
}

document.addEventListener('pointermove', (event) => {
  const picture = event.target.closest?.('[data-chart]');
  if (!picture && !hovered) return;
  hovered = null;
  if (picture) {
    const box = picture.getBoundingClientRect();
    const samples = Number(picture.dataset.samples);
    const at = Math.floor(((event.clientX - box.left) / box.width) * slots(samples)) - (slots(samples) - samples);
    if (at >= 0 && at < samples) hovered = { chart: picture.dataset.chart, at };
  }
  render();
});

render();
follow();
