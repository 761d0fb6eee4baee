// Figures, durations and times as people of both languages write them.

const UNITS = { en: ['d', 'h', 'min', 's'], zh: ['天', '小时', '分', '秒'] };

function number(value, digits = 0) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

// The two largest units: "1 h 52 min", "35 s".
function duration(seconds) {
  const rest = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(rest / 86400), Math.floor(rest / 3600) % 24, Math.floor(rest / 60) % 60, rest % 60];
  const first = parts.findIndex((part) => part > 0);
  if (first < 0) return `0 ${UNITS[language][3]}`;
  const shown = [first, first + 1].filter((at) => at < 4 && parts[at] > 0);
  return shown.map((at) => `${parts[at]} ${UNITS[language][at]}`).join(' ');
}

function milliseconds(value) {
  if (value === null || value === undefined) return '–';
  if (value < 0.05) return '< 1 ms';
  if (value >= 1000) return `${number(value / 1000, value >= 10000 ? 0 : 1)} s`;
  return `${number(value, value < 10 ? 1 : 0)} ms`;
}

// A rate with three digits at most.
function rate(value) {
  return number(value, value < 10 ? 1 : 0);
}

// 12:03:04, where the reader is.
function clock(time) {
  return new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' }).format(new Date(time));
}

function locale() {
  return language === 'zh' ? 'zh-CN' : 'en-GB';
}

function bytes(value) {
  const at = value < 1024 ? 0 : value < 1048576 ? 1 : value < 1073741824 ? 2 : 3;
  return `${number(value / 1024 ** at, at > 1 ? 1 : 0)} ${['B', 'KiB', 'MiB', 'GiB'][at]}`;
}
