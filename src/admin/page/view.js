// The page as a function of what /status said last. `words` and `language` are the reader's.

// How many failures are shown before somebody asks for all.
const FAILURES = 15;
const CLASSES = ['token', 'address', 'limit', 'permission', 'busy', 'other'];

function view() {
  return [
    header(),
    h('main', {},
      gone && h('section', { class: 'gone', role: 'alert' }, ...goneWords()),
      status ? h('div', { class: gone ? 'then' : 'live' }, body(status)) : !gone && h('p', { class: 'quiet' }, words.waiting)),
    status && footer(status),
  ];
}

function goneWords() {
  const since = answeredAt === null ? words.goneNever : words.goneSince(clock(answeredAt), duration((Date.now() - answeredAt) / 1000));
  const why = gone.status ? words.goneWhy.refused(gone.status) : words.goneWhy[gone.why];
  return [h('strong', {}, words.gone), h('p', {}, `${why} ${since}`)];
}

function header() {
  const [state, sentence] = headline();
  return h('header', {},
    h('div', { class: 'headline' },
      h('p', { class: 'brand' }, 'wxgate', status && h('span', {}, words.uptime(duration(status.uptime_seconds)))),
      h('h1', { class: state }, h('span', { class: 'dot', 'aria-hidden': 'true' }), h('span', { 'aria-live': 'polite' }, sentence))),
    h('div', { class: 'switches' },
      choice('language', words.language, language, [['en', 'English', 'en'], ['zh', '中文', 'zh-CN']]),
      choice('theme', words.theme, theme, ['auto', 'light', 'dark'].map((name) => [name, words.themes[name]]))));
}

function headline() {
  if (gone) return ['bad', words.gone];
  if (!status) return ['', words.title];
  const count = troublesOf(status).length;
  if (count > 0) return ['bad', words.troubles(count)];
  return status.accounts.some((account) => !account.ready) ? ['', words.starting] : ['good', words.well];
}

function choice(name, label, chosen, options) {
  return h('div', { class: 'choice', role: 'group', 'aria-label': label },
    options.map(([value, text, lang]) =>
      h('button', { type: 'button', 'data-do': name, 'data-value': value, 'aria-pressed': String(value === chosen), lang }, text)));
}

function body(status) {
  return [
    troubles(status),
    charts(status.traffic),
    h('section', { class: 'accounts' }, h('h2', {}, words.accounts), h('div', { class: 'cards' }, status.accounts.map(accountCard))),
    h('div', { class: 'pair' }, endpoints(status.endpoints), errcodes(status.errcodes)),
    failures(status),
    h('div', { class: 'pair' }, callers(status), levels(status)),
  ];
}

// Each with the account that it is about, if it is about one.
function troublesOf(status) {
  const ofAccounts = status.accounts.flatMap((account) => account.troubles.map((trouble) => [trouble, account]));
  return [...ofAccounts, ...status.troubles.map((trouble) => [trouble, undefined])];
}

function troubles(status) {
  const all = troublesOf(status);
  if (all.length === 0) return null;
  return h('section', { class: 'troubles' }, h('ul', {}, all.map(([trouble, account]) =>
    h('li', { class: 'trouble', 'data-kind': trouble.kind }, account && status.accounts.length > 1 && h('b', {}, account.name), saying(trouble, account)))));
}

function saying(trouble, account) {
  const say = words.trouble[trouble.kind];
  return say ? h('span', {}, say(trouble, account ?? {})) : h('span', { lang: 'en' }, capital(trouble.text));
}

function charts(traffic) {
  const count = traffic.requests.length;
  const at = (id, values) => values[hovered?.chart === id && hovered.at < count ? hovered.at : count - 1] ?? null;
  const when = (id) => hovered?.chart === id && hovered.at < count && h('time', {}, clock(sampledAt(hovered.at, count, traffic)));
  const total = sum(traffic.requests);
  return h('section', { class: 'charts' },
    requestsChart(traffic, at, when),
    latencyChart(traffic, at, when),
    errcodesChart(traffic, at, when),
    total === 0 && h('p', { class: 'quiet wide' }, words.noTraffic));
}

function requestsChart(traffic, at, when) {
  const perSecond = (values) => values.map((value) => value / traffic.resolution_seconds);
  const [all, failed] = [perSecond(traffic.requests), perSecond(traffic.failed)];
  const top = roundUp(Math.max(1, ...all));
  const [total, wrong] = [sum(traffic.requests), sum(traffic.failed)];
  const now = rate(at('requests', all) ?? 0);
  return panel(words.requestsNow, words.now, now, when('requests'),
    chart({ id: 'requests', label: `${words.requestsNow}: ${now}`, top, ticks: [rate(top), '', ''], samples: all.length, layers: (top) => [
      h('path', { class: 'fill', d: area(all, top) }),
      h('path', { class: 'line', d: line(all, top) }),
      h('path', { class: 'bars bad', d: bars(failed, failed.map(() => 0), top) }),
    ] }),
    legend([[null, words.lastQuarter, number(total), 'total'], ['bad', words.failedShare, number(wrong), 'failed']]));
}

function latencyChart(traffic, at, when) {
  // Half of all calls and the slowest of a hundred are far apart: a line of the grid is ten times the one below.
  const decades = (values) => values.map((value) => (value === null ? null : Math.log10(Math.max(value, 1))));
  const [half, most, wechats] = [traffic.p50_ms, traffic.p99_ms, traffic.upstream_p50_ms].map(decades);
  const top = Math.max(2, Math.ceil(Math.max(...half, ...most)));
  const ticks = Array.from({ length: top + 1 }, (_, below) => milliseconds(10 ** (top - below)));
  const last = (values) => milliseconds(at('latency', values));
  return panel(words.latency, words.now, last(traffic.p50_ms), when('latency'),
    chart({ id: 'latency', label: `${words.latency}: ${words.half} ${last(traffic.p50_ms)}, ${words.most} ${last(traffic.p99_ms)}`, top, ticks, samples: half.length, layers: (top) => [
      h('path', { class: 'line pale', d: line(most, top) }),
      h('path', { class: 'dots pale', d: dots(most, top) }),
      h('path', { class: 'line dotted', d: line(wechats, top) }),
      h('path', { class: 'line', d: line(half, top) }),
      h('path', { class: 'dots', d: dots(half, top) }),
    ] }),
    legend([['line', words.half, last(traffic.p50_ms)], ['pale', words.most, last(traffic.p99_ms)], ['dotted', words.wechatsPart, last(traffic.upstream_p50_ms)]]));
}

function errcodesChart(traffic, at, when) {
  const columns = CLASSES.map((name) => traffic.errcodes[name]);
  const totals = traffic.requests.map((_, at) => sum(columns.map((column) => column[at])));
  const top = roundUp(Math.max(5, ...totals));
  const isHovered = hovered?.chart === 'errcodes';
  const shown = columns.map((column) => (isHovered ? at('errcodes', column) ?? 0 : sum(column)));
  const below = totals.map(() => 0);
  const entries = CLASSES.map((name, number) => [name, words.classes[name], shown[number]]).filter(([, , count]) => count > 0);
  const count = number(sum(shown));
  return panel(words.errcodes, words.lastQuarter, count, when('errcodes'),
    chart({ id: 'errcodes', label: `${words.errcodes}: ${count}`, top, ticks: [number(top), '', ''], samples: totals.length, layers: (top) =>
      CLASSES.map((name, at) => {
        const layer = h('path', { class: `bars ${name}`, d: bars(columns[at], below, top) });
        columns[at].forEach((value, sample) => { below[sample] += value; });
        return layer;
      }) }),
    legend(entries.length ? entries.map(([name, text, value]) => [name, text, number(value)]) : [[null, words.lastQuarter, words.noErrcodes]]));
}

function panel(title, note, figure, when, picture, key) {
  return h('div', { class: 'panel' },
    h('div', { class: 'panel-head' }, h('h2', {}, title), when || h('span', { class: 'note' }, note)), h('p', { class: 'figure' }, figure), picture, key);
}

function legend(entries) {
  return h('dl', { class: 'legend' }, entries.map(([mark, name, value, id]) =>
    h('div', {}, h('dt', {}, mark && h('i', { class: `mark ${mark}` }), name), h('dd', { 'data-figure': id }, value))));
}

function sampledAt(at, count, traffic) {
  return Date.parse(status.now) - (count - 1 - at) * traffic.resolution_seconds * 1000;
}

function accountCard(account) {
  const { name, token, last_refresh: last } = account;
  const outcome = outcomes[name];
  return h('article', { class: 'panel account', key: `account ${name}`, 'data-account': name },
    h('div', { class: 'panel-head' },
      h('h3', {}, name), name !== account.appid && h('code', {}, account.appid),
      state(account)),
    token ? life(token, account) : h('p', { class: 'quiet' }, last || account.troubles.length ? words.noToken : words.noTokenYet),
    h('dl', { class: 'facts' },
      token && fact(words.generation, number(token.generation), 'generation'),
      token && fact(words.endpoint, words.endpoints[token.endpoint] ?? token.endpoint),
      last && fact(words.lastRefresh, lastRefresh(last), 'last', 'wide'),
      account.next_refresh_seconds !== null && fact(words.nextRefresh, account.next_refresh_seconds > 0 ? words.inTime(duration(account.next_refresh_seconds)) : words.now),
      fact(words.forcedLeft, number(account.forced_left)),
      fact(words.requests, number(account.requests), 'requests'),
      fact(words.failed, number(account.failed), 'failed', account.failed > 0 && 'bad'),
      fact(words.healed, words.healsOf(number(account.heals.healed), number(account.heals.attempted)), 'healed'),
      fact(words.diedEarly, number(account.died_early), 'died_early', account.died_early > 0 && 'bad')),
    h('div', { class: 'actions' },
      h('button', { type: 'button', class: 'main', 'data-do': 'ask', 'data-value': name, disabled: outcome === 'waiting' }, outcome === 'waiting' ? words.refreshing : words.refresh),
      h('span', { class: 'outcome', role: 'status' }, outcome && outcome !== 'waiting' && outcomeWords(outcome))));
}

function state({ ready, fetching, last_refresh: last }) {
  if (fetching) return h('span', { class: 'state' }, words.fetching);
  return h('span', { class: `state ${ready ? 'good' : last ? 'bad' : ''}` }, ready ? words.ready : words.notReady);
}

// The token's life as a bar: what is left of it, and where the next fetch is due.
function life(token, account) {
  const whole = Math.max(1, token.age_seconds + token.seconds_left);
  const left = (token.seconds_left / whole) * 1000;
  const due = account.next_refresh_seconds === null ? null : 1000 - ((token.age_seconds + account.next_refresh_seconds) / whole) * 1000;
  const text = words.left(duration(token.seconds_left));
  return h('div', { class: 'life' },
    h('p', {}, h('b', {}, text), h('span', {}, words.age(duration(token.age_seconds)))),
    h('svg', { class: account.last_refresh?.brought === 'nothing' ? 'bad' : '', viewBox: '0 0 1000 8', preserveAspectRatio: 'none', role: 'img', 'aria-label': text },
      h('rect', { class: 'rest', width: 1000, height: 8 }),
      h('rect', { class: 'left', width: round(left), height: 8 }),
      due !== null && due > 4 && h('rect', { class: 'due', x: round(due - 2), width: 4, height: 8 })));
}

function fact(name, value, id, more) {
  return h('div', { class: more || undefined }, h('dt', {}, name), h('dd', { 'data-figure': id }, value));
}

function lastRefresh(last) {
  const brought = words.brought[last.brought] ?? last.brought;
  const why = words.reasons[last.reason] ?? last.reason;
  return [h('time', { datetime: last.at, title: last.at }, clock(last.at)), ` · ${brought}`, last.errcode !== null && ` · errcode ${last.errcode}`, ` · ${why}`];
}

// What the operator's wish came to. In English the gateway's own sentence; it says more.
function outcomeWords({ outcome, status, message }) {
  if (language === 'en' && message) return message;
  const known = words.outcomes[outcome];
  if (typeof known === 'string') return known;
  return [words.outcomes.refused(status), message && h('span', { lang: 'en' }, ` ${message}`)];
}

function endpoints(list) {
  const most = Math.max(1, ...list.map(({ requests }) => requests));
  return h('section', { class: 'panel' }, heading(words.busiest, words.lastQuarter),
    list.length === 0 ? h('p', { class: 'quiet' }, words.nothingYet) :
      h('div', { class: 'scroll' }, h('table', { class: 'endpoints' },
        h('thead', {}, row('th', [words.path, words.requests, words.failed, words.mean])),
        h('tbody', {}, list.map(({ path, requests, failed, mean_ms: mean }) =>
          h('tr', { 'data-path': path },
            h('td', {}, h('code', {}, path),
              h('svg', { class: 'share', viewBox: '0 0 1000 3', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, h('rect', { width: round((requests / most) * 1000), height: 3 }))),
            h('td', { 'data-figure': 'requests' }, number(requests)), h('td', { class: failed ? 'bad' : undefined, 'data-figure': 'failed' }, number(failed)), h('td', {}, milliseconds(mean))))))));
}

function errcodes(list) {
  return h('section', { class: 'panel' }, heading(words.errcodeTable, words.lastQuarter),
    list.length === 0 ? h('p', { class: 'quiet' }, words.noErrcodeYet) :
      h('div', { class: 'scroll' }, h('table', { class: 'errcodes' },
        h('thead', {}, row('th', ['errcode', words.count, words.whatToDo])),
        h('tbody', {}, list.map(({ errcode, class: kind, count, advice }) =>
          h('tr', {},
            h('td', {}, h('i', { class: `mark ${kind}` }), errcode === null ? words.manyOthers : String(errcode)), h('td', {}, number(count)), h('td', {}, adviceOn(errcode, advice) ?? words.lookUp)))))));
}

function adviceOn(errcode, english) {
  return language === 'zh' ? CALL_ADVICE[errcode] ?? null : english;
}

function failures({ failures: list, accounts }) {
  const shown = everyFailure ? list : list.slice(0, FAILURES);
  return h('section', { class: 'panel failures' }, h('h2', {}, words.lastFailures),
    list.length === 0 && h('p', { class: 'quiet' }, words.noFailures),
    h('ol', {}, shown.map((failure) => h('li', { key: failure.request_id }, failureLines(failure, accounts.length > 1)))),
    list.length > FAILURES && h('div', { class: 'actions' },
      h('button', { type: 'button', 'data-do': 'failures', 'aria-expanded': String(everyFailure) }, everyFailure ? words.fewer : words.all(list.length))));
}

function failureLines({ at, account, caller, method, path, status, errcode, advice, rid, error, retry, ms, end, request_id: id }, several) {
  const what = error ?? (errcode ? `errcode ${errcode}` : status ? `HTTP ${status}` : words.ended[end]);
  const notes = [
    error ? `${words.own}, HTTP ${status}` : adviceOn(errcode, advice),
    words.retries[retry] ?? retry,
    what !== words.ended[end] && words.ended[end],
    several && account, caller && words.by(caller),
  ].filter(Boolean);
  return [
    h('p', { class: 'first' },
      h('time', { datetime: at, title: at }, clock(at)), h('span', { class: `what ${retry === 'healed' ? 'good' : 'bad'}` }, what),
      h('code', { class: 'path' }, `${method} ${path}`), h('span', { class: 'ms' }, milliseconds(ms))),
    h('p', { class: 'second' }, h('span', {}, notes.join(' · ')), rid ? h('code', { title: id }, `rid ${rid}`) : h('code', {}, `id ${id}`)),
  ];
}

function callers({ callers, unknown_callers: unknown }) {
  if (callers.length === 0 && unknown === 0) return null;
  return h('section', { class: 'panel' }, h('h2', {}, words.callers),
    h('div', { class: 'scroll' }, h('table', {},
      h('thead', {}, row('th', [words.caller, words.admitted, words.refused, words.limited, words.reported])),
      h('tbody', {},
        callers.map(({ name, admitted, refused, reported, limited }) => row('td', [name, number(admitted), number(refused), number(limited), number(reported)])),
        unknown > 0 && row('td', [words.unknownCallers, '', number(unknown), '', ''])))));
}

function levels({ levels: list, upstreams }) {
  return h('section', { class: 'panel' }, h('h2', {}, words.levels),
    h('dl', { class: 'levels' }, list.map(({ name, now, limit }) => {
      const show = name.endsWith('_bytes') ? bytes : number;
      const text = limit === null ? `${show(now)} (${words.noLimit})` : words.ofLimit(show(now), show(limit));
      const share = limit ? Math.min(1, now / limit) : 0;
      return h('div', {}, h('dt', {}, words.levelNames[name] ?? name), h('dd', {}, text),
        h('svg', { class: share >= 0.9 ? 'share bad' : 'share', viewBox: '0 0 1000 3', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
          h('rect', { class: 'rest', width: 1000, height: 3 }), h('rect', { width: round(share * 1000), height: 3 })));
    })),
    h('h2', { class: 'ways' }, words.ways),
    h('dl', { class: 'levels' }, upstreams.map(({ host, up, since }) =>
      h('div', {}, h('dt', {}, host), h('dd', { class: up ? 'good' : 'bad' }, up ? words.up : words.down(since && clock(since)))))));
}

function footer(status) {
  return h('footer', {},
    h('span', {}, words.build(status.version)), h('span', {}, words.started(new Date(status.started_at).toLocaleString(locale()))),
    h('a', { href: 'status' }, '/status'), h('a', { href: 'metrics' }, '/metrics'), h('a', { href: 'readyz' }, '/readyz'));
}

function heading(title, note) {
  return h('div', { class: 'panel-head' }, h('h2', {}, title), h('span', { class: 'note' }, note));
}

function row(cell, texts) {
  return h('tr', {}, texts.map((text) => h(cell, cell === 'th' ? { scope: 'col' } : {}, text)));
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
