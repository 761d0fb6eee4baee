// The last quarter of an hour as small charts. One unit to the right is one sample; the latest is at the right edge.

// A gateway that has just started has few samples: room for this many at least.
const LEAST_SLOTS = 24;
const HEIGHT = 60;

// The least round number that is not below `value`.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return [1, 1.5, 2, 3, 4, 5, 7.5, 10].map((step) => step * power).find((step) => step >= value * 0.999999) ?? 1;
}

// `ticks` are the texts of the grid's lines, from the top down, and `layers` what is drawn, all of it below `top`.
function chart({ id, label, top, ticks, samples, layers }) {
  const isScale = ticks.every(Boolean);
  return h('div', { class: isScale ? 'chart scaled' : 'chart' },
    h('div', { class: 'ticks', 'aria-hidden': 'true' }, ticks.map((text) => h('span', {}, text))),
    h('svg', { viewBox: `0 0 ${slots(samples)} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label, 'data-chart': id, 'data-samples': samples },
      ticks.map((_, at) => h('path', { class: 'grid', d: `M0 ${round((HEIGHT * at) / (ticks.length - 1))}H${slots(samples)}` })),
      layers(top),
      hovered?.chart === id && hovered.at < samples &&
        h('path', { class: 'hair', d: `M${place(hovered.at, samples)} 0V${HEIGHT}` })));
}

function slots(count) {
  return Math.max(LEAST_SLOTS, count);
}

function place(at, count) {
  return slots(count) - count + at + 0.5;
}

function height(value, top) {
  return round(HEIGHT - (Math.min(value, top) / top) * HEIGHT);
}

function round(value) {
  return Math.round(value * 100) / 100;
}

// A line through the values, with gaps where there are none.
function line(values, top) {
  const isThere = (at) => values[at] !== null && values[at] !== undefined;
  return values.map((value, at) => (isThere(at) ? `${isThere(at - 1) ? 'L' : 'M'}${place(at, values.length)} ${height(value, top)}` : '')).join('');
}

// Dots at values that stand alone, where a line has no length.
function dots(values, top) {
  const isThere = (at) => values[at] !== null && values[at] !== undefined;
  return values.map((value, at) => (isThere(at) && !isThere(at - 1) && !isThere(at + 1) ? `M${place(at, values.length)} ${height(value, top)}h0.01` : '')).join('');
}

// The line, filled down to the base.
function area(values, top) {
  if (values.length === 0) return '';
  const first = place(0, values.length);
  return `${line(values, top)}V${HEIGHT}H${first}Z`;
}

// Bars from `below` up to `below` and the value.
function bars(values, below, top) {
  return values.map((value, at) => {
    if (value === 0) return '';
    const [from, to] = [height(below[at], top), height(below[at] + value, top)];
    return `M${place(at, values.length) - 0.45} ${from}V${to}h0.9V${from}Z`;
  }).join('');
}
