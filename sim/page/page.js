"use strict";
/* The page of one run of the simulator. The data comes from sim/sim_html_print.c; nothing else is loaded.
 * Only what is in view is drawn, and only rows of the list that are in view exist. */
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const begin = data.from_us, end = Math.max(data.end_us, begin + 1);

/* ---- what words mean ---- */

const CHECKERS = {
  K1: "There is at most one leader in a term.",
  K2: "A member votes once in a term, across restarts.",
  K3: "What a message says of term and vote is on its sender's disk.",
  K4: "Where two logs have an entry of the same index and term, they are equal up to there.",
  K5: "A leader only appends to its log.",
  K6: "What was committed once stays committed, and each later leader has it.",
  K7: "An entry is committed only in its leader's own term, and when the disks of a quorum hold it.",
  K8: "Votes, acknowledgements and successes leave only when the disk holds what they promise.",
  K9: "Entries are applied in order, once, and only when they are committed.",
  K10: "Members that have applied the same entries have the same state.",
  K11: "What clients see is linearizable: as if there were one copy of each key.",
  K12: "A request takes effect at most once, and exactly once if that was acknowledged.",
  K13: "Who watches hears every change, once and in order.",
  K14: "Leases: who holds one of reads leads alone, and no key dies before its lease.",
  K15: "The members of the cluster follow from the log, and successive memberships overlap.",
  K16: "A snapshot is the state of its index, whole.",
  K17: "What a restart finds is what was acknowledged; damage is never silently cut away.",
  K18: "When the faults are over, the cluster elects, answers and becomes equal in time.",
  K19: "Nothing goes on for ever without progress: elections, messages, the log come to rest.",
  K20: "The same seed gives the same run.",
  K21: "No assertion fails, and nothing is left over at the end.",
  K22: "A linearizable read sees everything that was committed when it was asked.",
  K23: "Ranges and transactions are answered as a model of the whole history says.",
  K24: "A member whose state became another one notices it.",
  K25: "A backup is the state of one index, not older than when it was asked for.",
  LEDGER: "The simulator injects no more faults than the cluster is promised to stand.",
  HTTP: "Answers are whole, and what the API allows.",
};
const FRAMES = {
  vote: "A candidate asks for a vote.",
  "vote-reply": "The answer to a candidate.",
  append: "The leader sends entries, or none as a heartbeat, and says what is committed.",
  "append-reply": "A follower says up to where its disk agrees with the leader's log.",
  read: "A leader asks whether it still leads, before it answers reads.",
  "read-reply": "The answer to that.",
  "timeout-now": "The leader hands over: start an election now.",
  "pre-vote": "Would you vote for me? Asked before a term is begun.",
  "pre-vote-reply": "The answer to a pre-vote.",
  forward: "A request on its way to the leader.",
  "forward-reply": "What became of such a request.",
  "snapshot-offer": "The leader offers its state, as the log no longer reaches back far enough.",
  snapshot: "A piece of a snapshot.",
  "snapshot-reply": "How far a snapshot has come.",
};
const FAULTS = {
  loss: "Frames vanish.", delay: "Frames are late and overtaken.", duplicate: "Frames come twice.",
  replay: "Frames of earlier connections come again.", cut: "Bytes arrive in pieces, cut anywhere.", reset: "Connections break.",
  partition: "Two sides, and nothing between them.", oneway: "A member hears and is not heard, or the reverse.",
  partial: "Single pairs do not reach each other.", bridge: "Two sides, and one member that reaches both.",
  clog: "Single directions stand still for a moment.", swizzle: "Members fall silent one after the other.",
  slowlink: "A member's links drain slowly.", kill: "The process dies; what it wrote is still in the page cache.",
  power: "The machine dies; what was not synced survives in part.", bootcrash: "It dies again while it starts.",
  blackout: "All machines lose power at once.", wipe: "The machine comes back with an empty disk.",
  rot: "Sectors of the disk change by themselves.", losefile: "A file of the disk vanishes, or is cut.",
  slowdisk: "The disk takes its time.", slowengine: "The state machine takes its time.",
  pause: "The process stands still; clocks go on.", drift: "The clock runs at a rate of its own.",
  stall: "The clock stands still, then goes on or jumps.", late: "Timers come late.",
  eio: "An operation of the disk fails.", stuck: "Operations of the disk do not come to an end.",
  lostwrite: "A write that was synced is lost when power goes.",
  misdirect: "A write that was synced is found somewhere else.", nospace: "The disk is full, or nearly.",
  jobcrash: "It dies in the middle of what RocksDB writes.", diverge: "The state becomes another one, unnoticed.",
  nomem: "Memory is refused.", limits: "Writes of just the size that is allowed, and of a byte more.",
};
const OUTCOMES = {
  pending: "It was not answered yet when the run ended.", acknowledged: "The client was told that it is done.",
  refused: "The client was told that it has not happened, and never will.",
  unknown: "No answer came: it may have taken effect, now or later, or never.",
};
const INSTANTS = {
  crash: "dies", wiped: "has lost its disk", rot: "has a damaged sector", cut: "has a file that was cut",
  gone: "has lost a file", whole: "is whole again", rate: "has a clock at another rate",
  failed: "has a disk that failed an operation", state: "has another state than it had",
  lie: "has a disk that called durable what it has not written",
};

/* ---- the data, as columns ---- */

const table = (flat, width) => ({
  n: flat.length / width,
  get: (row, column) => flat[row * width + column],
});
const frames = table(data.frames, 7); /* time, arrived, from, to, type, fate, text */
const lines = table(data.lines, 3); /* time, who, text */
const states = table(data.members, 11); /* time, who, mode, term, commit, stored, last, queued, voters, outgoing, learners */
const ledger = table(data.faults, 5); /* time, kind, what, who, value */
const ops = table(data.ops, 10); /* begin, end, client, kind, target, key, outcome, value, index, number */
const member = i => "m" + (i + 1);
const ROLE = data.mode_names.indexOf("follower");

/* What each member was: columns, its bands (stretches of one mode and term), and its configurations likewise. */
const newMember = () => ({ t: [], commit: [], stored: [], last: [], queued: [], bands: [], configs: [], faults: [], rows: 0 });
const members = [];
const configOf = i => [states.get(i, 8), states.get(i, 9), states.get(i, 10)];
const isBand = new Set(), isConfig = new Set();
function stretch(stretches, t, i, isSame, more) {
  const last = stretches[stretches.length - 1];
  if (last && isSame(last)) return false;
  if (last) last.b = t;
  stretches.push({ a: t, b: end, ref: i, ...more });
  return true;
}
for (let i = 0; i < states.n; i++) {
  const who = states.get(i, 1);
  while (members.length <= who) members.push(newMember());
  const m = members[who], t = states.get(i, 0), mode = states.get(i, 2), term = states.get(i, 3), config = configOf(i);
  if (stretch(m.bands, t, i, b => b.mode === mode && b.term === term, { mode, term })) isBand.add(i);
  if (stretch(m.configs, t, i, c => c.key === config.join(), { key: config.join(), config })) isConfig.add(i);
  m.t.push(t); m.commit.push(states.get(i, 4)); m.stored.push(states.get(i, 5));
  m.last.push(states.get(i, 6)); m.queued.push(states.get(i, 7));
}
while (members.length < data.nodes) members.push(newMember());

/* The commit frontier: what some member has known to be committed by then. */
const frontier = { t: [], v: [] };
for (let i = 0, most = -1; i < states.n; i++) {
  if (states.get(i, 4) <= most) continue;
  most = states.get(i, 4);
  frontier.t.push(states.get(i, 0)); frontier.v.push(most);
}

/* Faults with their ends, which the ledger has as records of their own. */
const faults = [];
const open = new Map();
for (let i = 0; i < ledger.n; i++) {
  const what = data.what_names[ledger.get(i, 2)], kind = ledger.get(i, 1), who = ledger.get(i, 3);
  const key = kind + "/" + who, t = ledger.get(i, 0);
  if (what === "end") {
    const f = (open.get(key) || []).shift();
    if (f) f.b = t;
    continue;
  }
  const lasts = what === "begin" || what === "for-ever";
  const f = { a: t, b: lasts ? end : t, kind: data.fault_names[kind], what, who, value: ledger.get(i, 4), lasts, row: 0 };
  if (lasts) open.set(key, [...(open.get(key) || []), f]);
  faults.push(f);
}
const FAULT_ROWS = 4;
for (const f of faults) { /* each in the first row that is free; the last one takes what is left */
  const m = members[f.who];
  if (!m || !f.lasts) continue;
  const busy = new Set(m.faults.filter(o => o.b > f.a).map(o => o.row));
  while (f.row < FAULT_ROWS - 1 && busy.has(f.row)) f.row++;
  m.faults.push(f);
  m.rows = Math.max(m.rows, f.row + 1);
}

/* All events in order of time. */
const KINDS = [["frame", "Messages", "--append"], ["role", "Roles", "--leader"], ["line", "Log", "--note"],
  ["progress", "Progress", "--stored"], ["fault", "Faults", "--fault"], ["op", "Requests", "--acknowledged"],
  ["config", "Members", "--config"]];
const [FRAME, BAND, LINE, PROGRESS, FAULT, OP, CONFIG] = KINDS.keys(), FAIL = KINDS.length; /* it is shown always */
const total = frames.n + states.n + lines.n + faults.length + ops.n + (data.fail ? 1 : 0);
const at = new Float64Array(total), kindOf = new Uint8Array(total), refOf = new Uint32Array(total);
const eventOf = { frame: new Uint32Array(frames.n), state: new Uint32Array(states.n), line: new Uint32Array(lines.n),
  fault: new Uint32Array(faults.length), op: new Uint32Array(ops.n) };
{
  const t = new Float64Array(total), k = new Uint8Array(total), r = new Uint32Array(total);
  let n = 0;
  const add = (time, kind, ref) => { t[n] = time; k[n] = kind; r[n++] = ref; };
  for (let i = 0; i < faults.length; i++) add(faults[i].a, FAULT, i);
  for (let i = 0; i < lines.n; i++) add(lines.get(i, 0), LINE, i);
  for (let i = 0; i < states.n; i++) add(states.get(i, 0), isBand.has(i) ? BAND : isConfig.has(i) ? CONFIG : PROGRESS, i);
  for (let i = 0; i < frames.n; i++) add(frames.get(i, 0), FRAME, i);
  for (let i = 0; i < ops.n; i++) add(ops.get(i, 0), OP, i);
  if (data.fail) add(end, FAIL, 0);
  const order = Uint32Array.from({ length: n }, (_, i) => i).sort((a, b) => t[a] - t[b] || a - b);
  const back = { [FRAME]: eventOf.frame, [BAND]: eventOf.state, [PROGRESS]: eventOf.state, [CONFIG]: eventOf.state,
    [LINE]: eventOf.line, [FAULT]: eventOf.fault, [OP]: eventOf.op, [FAIL]: [] };
  order.forEach((from, e) => {
    at[e] = t[from]; kindOf[e] = k[from]; refOf[e] = r[from];
    back[k[from]][r[from]] = e;
  });
}
let flightMax = 0;
const flights = [];
for (let i = 0; i < frames.n; i++) {
  if (!frames.get(i, 1)) continue;
  flights.push(frames.get(i, 1) - frames.get(i, 0));
  flightMax = Math.max(flightMax, flights[flights.length - 1]);
}
const flightUsual = flights.sort((a, b) => a - b)[flights.length >> 1] || 1000;
let opMax = 0;
for (let i = 0; i < ops.n; i++) opMax = Math.max(opMax, (ops.get(i, 1) || end) - ops.get(i, 0));

/* The first of n rows whose time is not below t. */
function firstAt(n, time, t) {
  let lo = 0, hi = n;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (time(mid) < t) lo = mid + 1; else hi = mid;
  }
  return lo;
}

/* ---- words for an event ---- */

const number = v => String(v).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
const ms = us => number(Math.floor(us / 1000)) + "." + String(Math.floor(us % 1000)).padStart(3, "0");
const span = us => us < 1000 ? us + " \u00b5s" : us < 1e6 ? +(us / 1000).toFixed(us < 1e4 ? 2 : 1) + " ms" : +(us / 1e6).toFixed(2) + " s";
const modeName = i => data.mode_names[i];
const fateOf = i => data.fate_names[frames.get(i, 5)];
const isLost = i => fateOf(i) === "lost";
const termOfText = data.texts.map(s => { const m = /^term (\d+)/.exec(s); return m ? +m[1] : 0; });
const termOfFrame = i => termOfText[frames.get(i, 6)]; /* 0: its kind has none */

/* Members as a bit each. */
const bits = set => members.map((m, i) => i).filter(i => set >> i & 1).map(i => i + 1).join(" ");
function configText([voters, outgoing, learners]) {
  if (!voters && !outgoing && !learners) return "none known";
  return (outgoing ? bits(outgoing) + " \u2192 " : "") + bits(voters) + (learners ? " + " + bits(learners) : "");
}

function opWhat(i) {
  const kind = data.op_names[ops.get(i, 3)], key = ops.get(i, 5);
  if (key >= 0) return kind + " k" + key;
  return kind + (kind === "lease" ? (ops.get(i, 7) ? " on" : " off") : " m" + ops.get(i, 7));
}

function frameTitle(i) {
  const fate = fateOf(i);
  return member(frames.get(i, 2)) + " \u2192 " + member(frames.get(i, 3)) + " " + data.frame_names[frames.get(i, 4)] +
    (fate && fate !== "delayed" ? " (" + fate + ")" : "");
}

function bandTitle(i) {
  const mode = states.get(i, 2);
  return member(states.get(i, 1)) + " " + modeName(mode) + (mode >= ROLE ? ", term " + states.get(i, 3) : "");
}

function configTitle(i) {
  const config = configOf(i);
  return member(states.get(i, 1)) + " configuration " + configText(config) + (config[1] ? " (joint)" : "");
}

function progressTitle(i) {
  const stored = states.get(i, 5), last = states.get(i, 6), queued = states.get(i, 7);
  return member(states.get(i, 1)) + " commit " + states.get(i, 4) + ", on disk " + stored +
    (last > stored ? ", in memory " + last : "") + (queued ? ", disk " + queued : "");
}

function faultTitle(f) {
  const who = f.who >= 0 ? member(f.who) : "";
  if (f.what === "healed") return "all faults end";
  if (f.lasts) return (who ? who + " " : "") + f.kind + (f.what === "for-ever" ? ", for ever" : "");
  return (who ? who + " " : "") + (INSTANTS[f.what] || f.what) + " (" + f.kind + ")";
}

function titleOf(e) {
  const i = refOf[e];
  switch (kindOf[e]) {
  case FRAME: return frameTitle(i);
  case BAND: return bandTitle(i);
  case PROGRESS: return progressTitle(i);
  case CONFIG: return configTitle(i);
  case FAIL: return data.fail.checker + " fails: " + data.fail.text;
  case LINE: return data.texts[lines.get(i, 2)];
  case FAULT: return faultTitle(faults[i]);
  default: return "c" + ops.get(i, 2) + " " + opWhat(i) + ", " + data.outcome_names[ops.get(i, 6)];
  }
}

/* Members it is about; none: the cluster as a whole. */
function membersOf(e) {
  const i = refOf[e];
  switch (kindOf[e]) {
  case FRAME: return [frames.get(i, 2), frames.get(i, 3)];
  case BAND: case PROGRESS: case CONFIG: return [states.get(i, 1)];
  case LINE: return lines.get(i, 1) < 0 ? [] : [lines.get(i, 1)];
  case FAULT: return faults[i].who < 0 ? [] : [faults[i].who];
  default: return [];
  }
}

function endOf(e) {
  const i = refOf[e];
  switch (kindOf[e]) {
  case FRAME: return frames.get(i, 1) || at[e];
  case FAULT: return faults[i].b;
  case OP: return ops.get(i, 1) || end;
  default: return at[e];
  }
}

/* ---- what is shown ---- */

const shown = { kinds: [...KINDS.map((_, k) => k !== PROGRESS), true], byTerm: false, members: members.map(() => true), search: "" };
const view = { a: begin, b: end };
let chosen = -1, hovered = -1, cursor = null /* the time under the pointer */, listed = new Uint32Array(0);

function matcher(search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return () => true;
  const more = e => kindOf[e] === FRAME ? " " + data.texts[frames.get(refOf[e], 6)] : "";
  return e => {
    const text = (titleOf(e) + more(e)).toLowerCase();
    return words.every(w => text.includes(w));
  };
}

function isShown(e) {
  return shown.kinds[kindOf[e]] && membersOf(e).every(m => shown.members[m] !== false);
}

function filter() {
  const matches = matcher(shown.search), out = new Uint32Array(total);
  let n = 0;
  for (let e = 0; e < total; e++) if (isShown(e) && matches(e)) out[n++] = e;
  listed = out.slice(0, n);
  $("count").textContent = n === total ? number(n) + " events" : number(n) + " of " + number(total) + " events";
  if (data.dropped) $("count").textContent += "; " + number(data.dropped) + " earlier ones are not kept";
  list.refresh();
  redraw();
}

const rankOf = e => firstAt(listed.length, i => listed[i], e); /* its place in the list, or where it would be */

function step(by) {
  if (!listed.length) return;
  let i = chosen >= 0 ? rankOf(chosen) : firstAt(listed.length, j => at[listed[j]], (view.a + view.b) / 2);
  if (chosen >= 0) i += by > 0 && listed[i] !== chosen ? 0 : by;
  choose(listed[Math.max(0, Math.min(listed.length - 1, i))], true);
}

function choose(e, follow) {
  chosen = e;
  showDetails();
  if (e >= 0) {
    list.reveal(e);
    if (follow && (at[e] < view.a || at[e] > view.b)) lookAt(at[e]);
  } else list.refresh();
  redraw();
}

/* ---- the view ---- */

const LEAST = 50; /* us from edge to edge */
const PAD = 0.04;

function setView(a, b) {
  const whole = (end - begin) * (1 + 2 * PAD), lo = begin - (end - begin) * PAD;
  const width = Math.max(LEAST, Math.min(b - a, whole));
  a += (b - a - width) / 2;
  view.a = Math.max(lo, Math.min(a, lo + whole - width));
  view.b = view.a + width;
  list.follow();
  redraw();
}
const lookAt = t => setView(t - (view.b - view.a) / 2, t + (view.b - view.a) / 2);
const pan = part => setView(view.a + (view.b - view.a) * part, view.b + (view.b - view.a) * part);
function zoom(factor, t = chosen >= 0 && at[chosen] >= view.a && at[chosen] <= view.b ? at[chosen] : (view.a + view.b) / 2) {
  setView(t - (t - view.a) * factor, t + (view.b - t) * factor);
}
const wholeRun = () => setView(begin - (end - begin) * PAD, end + (end - begin) * PAD);

/* So near before the failure that single messages can be told apart: some 90 of them; fewer where those of the last
 * moment are much closer together. */
function failureView() {
  const times = [];
  for (let i = Math.max(0, frames.n - 2000); i < frames.n; i++) times.push(frames.get(i, 0), frames.get(i, 1) || begin);
  times.sort((a, b) => b - a);
  const back = n => end - (times.length ? times[Math.min(n, times.length - 1)] : begin);
  const length = Math.min(end - begin, Math.max(2000, Math.min(back(180), 6 * back(16))));
  setView(end - length, end + length * 0.06);
}

/* ---- drawing ---- */

const canvas = $("lanes"), ctx = canvas.getContext("2d");
const overview = $("overview"), octx = overview.getContext("2d");
const AXIS = 26, GUTTER = 98, FAULT_H = 13, BAND_H = 22, CONFIG_H = 11, TRACK_H = 26, QUEUE_H = 4, OP_H = 8, OP_GAP = 3;
const GAP_MIN = 24, GAP_MAX = 220; /* between lanes, for messages */
const BELOW = BAND_H + 7 + CONFIG_H + 5 + TRACK_H + QUEUE_H; /* of a lane, from its band on */
let css = {}, size = { w: 0, h: 0 }, lanes = [], order = [], clients = { y: 0, n: 0 }, hits = [], asked = false;
let density = null; /* as it is on the screen */

function readStyle() {
  const s = getComputedStyle(document.documentElement);
  css = new Proxy({}, { get: (o, name) => o[name] ??= s.getPropertyValue("--" + name).trim() });
}

const patterns = new Map();
function hatch(color) {
  const key = color + devicePixelRatio;
  if (patterns.has(key)) return patterns.get(key);
  const c = document.createElement("canvas"), g = c.getContext("2d");
  c.width = c.height = 7;
  g.strokeStyle = color; g.lineWidth = 1.4;
  for (const d of [-7, 0, 7]) { g.beginPath(); g.moveTo(d, 7); g.lineTo(d + 7, 0); g.stroke(); }
  patterns.set(key, ctx.createPattern(c, "repeat"));
  return patterns.get(key);
}

function fit(c, w, h) {
  const ratio = devicePixelRatio || 1;
  if (c.width !== Math.round(w * ratio)) c.width = Math.round(w * ratio);
  if (c.height !== Math.round(h * ratio)) c.height = Math.round(h * ratio);
  c.style.height = h + "px";
  c.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
}

/* Where each lane is. A lane that has room gives it to the messages. */
function layout() {
  const box = $("scroll"), w = box.clientWidth;
  order = members.map((m, i) => i).filter(i => shown.members[i]);
  let n = 0;
  for (let i = 0; i < ops.n; i++) n = Math.max(n, ops.get(i, 2) + 1);
  if (!shown.kinds[OP]) n = 0;
  const above = i => 8 + (shown.kinds[FAULT] ? members[i].rows * FAULT_H : 0);
  const least = order.reduce((sum, i) => sum + above(i) + BELOW + GAP_MIN, 0);
  const bottom = n ? n * (OP_H + OP_GAP) + 20 : 6;
  const spare = Math.max(0, box.clientHeight - AXIS - least - bottom) / Math.max(1, order.length - 1);
  const roomy = GAP_MIN + Math.min(GAP_MAX - GAP_MIN, spare);
  let y = AXIS;
  lanes = [];
  for (const i of order) {
    const gap = i === order[order.length - 1] ? 12 : roomy, band = y + above(i), config = band + BAND_H + 7;
    const track = config + CONFIG_H + 5;
    lanes[i] = { y, h: above(i) + BELOW + gap, faults: y + 6, band, config, track, below: band + BELOW };
    y += lanes[i].h;
  }
  clients = { y: y + 10, n };
  size = { w, h: Math.max(box.clientHeight, y + bottom) };
  fit(canvas, w, size.h);
  fit(overview, overview.clientWidth, 44);
}

const x = t => GUTTER + (t - view.a) * (size.w - GUTTER) / (view.b - view.a);
const timeAt = px => view.a + (px - GUTTER) * (view.b - view.a) / (size.w - GUTTER);

function text(g, s, px, py, color, font = "12px " + css.sans, align = "left") {
  g.font = font; g.fillStyle = color; g.textAlign = align; g.textBaseline = "middle";
  g.fillText(s, px, py);
}

function tickStep(width) {
  const want = (view.b - view.a) * 110 / width;
  const base = 10 ** Math.floor(Math.log10(want));
  return [1, 2, 5, 10].map(k => k * base).find(s => s >= want);
}

function drawAxis() {
  const stepUs = Math.max(1, tickStep(size.w - GUTTER));
  ctx.strokeStyle = css.rule; ctx.lineWidth = 1;
  for (let t = Math.ceil(view.a / stepUs) * stepUs; t <= view.b; t += stepUs) {
    if (t < 0) continue;
    const px = Math.round(x(t)) + 0.5;
    ctx.beginPath(); ctx.moveTo(px, AXIS - 4); ctx.lineTo(px, size.h); ctx.stroke();
    const label = stepUs >= 1e6 ? t / 1e6 + " s" : stepUs >= 1000 ? number(Math.round(t / 1000)) + " ms" : ms(t) + " ms";
    const hidden = [data.fail && end, data.healed_us].some(at => at && Math.abs(px - x(at)) < 62); /* by its label */
    if (px > GUTTER + 28 && px < size.w - 30 && !hidden) text(ctx, label, px, 12, css.soft, "11.5px " + css.sans, "center");
  }
}

/* Neighbouring terms get hues that are far from each other. */
const termColor = (term, alpha = 1) => "hsl(" + term * 137.508 % 360 + " " + css["term-hsl"] + " / " + alpha + ")";
const ROLE_ALPHA = { leader: 0.9, candidate: 0.75, "pre-candidate": 0.4, follower: 0.25 };
function bandColor(b) {
  const name = modeName(b.mode);
  return shown.byTerm ? termColor(b.term, ROLE_ALPHA[name]) : css[name];
}

function drawBands(m, lane) {
  let i = Math.max(0, firstAt(m.bands.length, j => m.bands[j].b, view.a));
  for (let lastPx = -1; i < m.bands.length && m.bands[i].a <= view.b; i++) {
    const b = m.bands[i], x0 = Math.max(GUTTER, x(b.a)), x1 = Math.min(size.w, x(b.b)), name = modeName(b.mode);
    if (b.mode === 0 || x1 < GUTTER || (x1 - x0 < 0.4 && x1 < lastPx + 0.5)) continue;
    lastPx = x1;
    const w = Math.max(1, x1 - x0), role = b.mode >= ROLE;
    ctx.fillStyle = role ? css.paper : css.wash;
    ctx.fillRect(x0, lane.band, w, BAND_H);
    ctx.fillStyle = role ? bandColor(b) : hatch(css[name]);
    ctx.fillRect(x0, lane.band, w, BAND_H);
    if (role) { ctx.fillStyle = termColor(b.term); ctx.fillRect(x0, lane.band + BAND_H - 3, w, 3); }
    const label = role ? name + " \u00b7 term " + b.term : name, short = role ? String(b.term) : "";
    const color = !role ? css.soft : shown.byTerm ? ROLE_ALPHA[name] > 0.5 ? css["term-ink"] : css.ink : css[name + "-ink"];
    ctx.font = "12px " + css.sans;
    const fits = [label, short].find(s => s && ctx.measureText(s).width + 12 < w);
    if (fits) text(ctx, fits, x0 + 6, lane.band + BAND_H / 2 - (role ? 1 : 0), color);
    if (role && w > 3) { ctx.fillStyle = css.paper; ctx.fillRect(x0, lane.band, 1, BAND_H); }
    hits.push({ e: eventOf.state[b.ref], x0, x1: x0 + w, y0: lane.band, y1: lane.band + BAND_H });
  }
}

/* Equal configurations look equal: each has a tone of its own, in the order in which they came up. */
const tones = new Map();
for (let i = 0; i < states.n; i++) {
  const key = configOf(i).join();
  if (key !== "0,0,0" && !tones.has(key)) tones.set(key, tones.size);
}

function drawConfigs(m, lane) {
  let i = Math.max(0, firstAt(m.configs.length, j => m.configs[j].b, view.a));
  for (; i < m.configs.length && m.configs[i].a <= view.b; i++) {
    const c = m.configs[i], x0 = Math.max(GUTTER, x(c.a)), x1 = Math.min(size.w, x(c.b)), w = Math.max(1, x1 - x0);
    if (!tones.has(c.key) || x1 < GUTTER) continue;
    ctx.fillStyle = css.paper; ctx.fillRect(x0, lane.config, w, CONFIG_H);
    ctx.fillStyle = css["config-" + tones.get(c.key) % 4]; ctx.fillRect(x0, lane.config, w, CONFIG_H);
    if (c.config[1]) { ctx.fillStyle = hatch(css.config); ctx.fillRect(x0, lane.config, w, CONFIG_H); }
    if (w > 3) { ctx.fillStyle = css.config; ctx.fillRect(x0, lane.config, 1, CONFIG_H); }
    const font = "10px " + css.sans, label = configText(c.config) + (c.config[1] ? " (joint)" : "");
    ctx.font = font;
    if (ctx.measureText(label).width + 10 < w) text(ctx, label, x0 + 5, lane.config + CONFIG_H / 2 + 0.5, css.ink, font);
    hits.push({ e: eventOf.state[c.ref], x0, x1: x0 + w, y0: lane.config, y1: lane.config + CONFIG_H });
  }
}

const stateAt = (m, t) => firstAt(m.t.length, j => m.t[j], t + 1) - 1; /* the last one not behind t; -1: none */

/* One scale for all members: the commit indexes that are in view. */
function trackScale() {
  let lo = Infinity, hi = 0;
  for (const m of members) {
    const i = stateAt(m, view.a), j = stateAt(m, view.b);
    if (j < 0) continue;
    lo = Math.min(lo, m.commit[Math.max(0, i)], m.stored[Math.max(0, i)]);
    hi = Math.max(hi, m.commit[j], m.last[j]);
  }
  return { lo: Math.min(lo, hi), hi: Math.max(hi, lo + 1) };
}

/* What the log is and where: up to the line on disk; hatched: in memory alone, a power cut takes it; the strong line is
 * what the member knows to be committed, the dotted one what anybody does. Below: operations of the disk under way. */
function drawTrack(m, lane, scale) {
  const y = v => lane.track + TRACK_H - 2 - (Math.max(scale.lo, Math.min(scale.hi, v)) - scale.lo) * (TRACK_H - 4) / (scale.hi - scale.lo);
  const first = Math.max(0, stateAt(m, view.a)), last = stateAt(m, view.b), bottom = lane.track + TRACK_H - 1;
  if (last < 0) return;
  const stop = Math.min(size.w, x(end));
  const px = i => Math.max(GUTTER, i > last ? stop : x(m.t[i]));
  ctx.globalAlpha = 0.78; ctx.fillStyle = css.paper;
  ctx.fillRect(px(first), lane.track, stop - px(first), TRACK_H + QUEUE_H);
  ctx.globalAlpha = 1;
  drawVolatile(m, lane, first, last, px, y);
  ctx.fillStyle = css.durable;
  ctx.beginPath(); ctx.moveTo(px(first), bottom);
  stepsTo(m.stored, first, last, px, y);
  ctx.lineTo(stop, bottom); ctx.fill();
  const line = (color, width, dash, act) => {
    ctx.strokeStyle = color; ctx.lineWidth = width; ctx.setLineDash(dash);
    ctx.beginPath(); act(); ctx.stroke(); ctx.setLineDash([]);
  };
  line(css.stored, 1.2, [], () => stepsTo(m.stored, first, last, px, y));
  line(css.frontier, 1, [2, 3], () => {
    const f = Math.max(0, firstAt(frontier.t.length, i => frontier.t[i], view.a) - 1);
    const l = firstAt(frontier.t.length, i => frontier.t[i], view.b) - 1;
    if (l >= 0) stepsTo(frontier.v, f, l, i => Math.max(GUTTER, i > l ? stop : x(frontier.t[i])), y);
  });
  line(css.commit, 1.6, [], () => stepsTo(m.commit, first, last, px, y));
}

/* A path of steps along a column, left out where it would be thinner than a pixel. */
function stepsTo(column, first, last, px, y) {
  let at = px(first);
  ctx.lineTo(at, y(column[first]));
  for (let i = first + 1; i <= last; i++) {
    const next = px(i);
    if (next - at < 0.5 && i < last) continue;
    ctx.lineTo(next, y(column[i - 1])); ctx.lineTo(next, y(column[i]));
    at = next;
  }
  ctx.lineTo(Math.max(at, px(last + 1)), y(column[last]));
}

/* Where nothing can be seen of it, less than a pixel, it is left out. */
function drawVolatile(m, lane, first, last, px, y) {
  const pattern = hatch(css.volatile), busy = { x0: 0, x1: -1, most: 0 };
  for (let i = first; i <= last; i++) {
    if (m.last[i] <= m.stored[i] && !m.queued[i]) continue;
    const x0 = px(i), x1 = Math.max(x0 + 0.7, px(i + 1)), top = y(m.last[i]), h = y(m.stored[i]) - top;
    if (h > 0.5) {
      ctx.fillStyle = pattern; ctx.fillRect(x0, top, x1 - x0, h);
      ctx.fillStyle = css.volatile; ctx.fillRect(x0, top, x1 - x0, 1);
    }
    if (!m.queued[i]) continue;
    if (x0 > busy.x1 + 0.3 || (m.queued[i] !== busy.most && x1 - x0 > 1)) {
      drawQueue(lane, busy);
      Object.assign(busy, { x0, x1, most: 0 });
    }
    busy.x1 = Math.max(busy.x1, x1);
    busy.most = Math.max(busy.most, m.queued[i]);
  }
  drawQueue(lane, busy);
}

/* The disk at work: the more operations, the stronger. */
function drawQueue(lane, busy) {
  if (busy.most === 0) return;
  ctx.globalAlpha = Math.min(1, 0.4 + 0.15 * busy.most); ctx.fillStyle = css.queued;
  ctx.fillRect(busy.x0, lane.track + TRACK_H, busy.x1 - busy.x0, QUEUE_H - 1);
  ctx.globalAlpha = 1;
}

function drawFaults(i, lane) {
  for (const f of members[i].faults) {
    if (f.b < view.a || f.a > view.b) continue;
    const x0 = Math.max(GUTTER, x(f.a)), x1 = Math.min(size.w, x(f.b)), w = Math.max(2, x1 - x0);
    const y0 = lane.faults + f.row * FAULT_H;
    ctx.fillStyle = css["fault-wash"];
    ctx.fillRect(x0, y0, w, lane.below - y0);
    ctx.fillStyle = css.fault;
    ctx.fillRect(x0, y0 + FAULT_H - 3, w, 2);
    if (x(f.a) >= GUTTER) ctx.fillRect(x0, y0 + FAULT_H - 6, 1.5, 5);
    ctx.font = "11px " + css.sans;
    if (ctx.measureText(f.kind).width + 4 < w) text(ctx, f.kind, x0 + 3, y0 + FAULT_H / 2 - 2, css.fault, ctx.font);
    hits.push({ e: eventOf.fault[faults.indexOf(f)], x0, x1: x0 + w, y0, y1: y0 + FAULT_H });
  }
}

/* What faults did in one moment: a triangle below the band. */
function drawInstants() {
  faults.forEach((f, i) => {
    const lane = lanes[f.who];
    if (f.lasts || !lane || f.a < view.a || f.a > view.b || f.what === "whole" || f.what === "rate") return;
    const px = x(f.a), y = lane.band;
    ctx.fillStyle = css.fault;
    ctx.beginPath(); ctx.moveTo(px, y + 1); ctx.lineTo(px - 5, y - 7); ctx.lineTo(px + 5, y - 7); ctx.fill();
    hits.push({ e: eventOf.fault[i], x0: px - 5, x1: px + 5, y0: y - 8, y1: y + 2 });
  });
}

function drawNotes() {
  let lastPx = {};
  for (let i = firstAt(lines.n, j => lines.get(j, 0), view.a); i < lines.n && lines.get(i, 0) <= view.b; i++) {
    const who = lines.get(i, 1), lane = lanes[who];
    if (!lane) continue;
    const px = Math.round(x(lines.get(i, 0)));
    if (lastPx[who] === px) continue;
    lastPx[who] = px;
    ctx.fillStyle = css.note;
    ctx.fillRect(px, lane.band + BAND_H, 1.5, 5);
    hits.push({ e: eventOf.line[i], x0: px - 3, x1: px + 4, y0: lane.band + BAND_H, y1: lane.band + BAND_H + 7 });
  }
}

/* What messages are of; a density stacks them in this order. */
const SORTS = ["append", "read", "snapshot", "other", "vote", "lost"], LOST = SORTS.indexOf("lost");
const sortOfName = data.frame_names.map(name => SORTS.indexOf(name.startsWith("append") ? "append"
  : name.includes("vote") || name === "timeout-now" ? "vote"
  : name.startsWith("snapshot") || name.startsWith("repair") ? "snapshot"
  : name.startsWith("read") ? "read" : "other"));
const lostFate = data.fate_names.indexOf("lost");
const sortOf = i => frames.get(i, 5) === lostFate ? LOST : sortOfName[frames.get(i, 4)];
const sortColor = sort => sort === LOST ? css.fail : css[SORTS[sort]];
function frameColor(i) {
  const term = shown.byTerm && !isLost(i) ? termOfFrame(i) : 0;
  return term ? termColor(term) : sortColor(sortOf(i));
}

/* From the edge of one band to the edge of another. A frame that did not arrive ends on its way. */
function frameLine(i) {
  const from = lanes[frames.get(i, 2)], to = lanes[frames.get(i, 3)];
  if (!from || !to) return null;
  const sent = frames.get(i, 0), arrived = frames.get(i, 1), down = to.y > from.y;
  const y0 = from.band + (down ? BAND_H : 0), y1 = to.band + (down ? 0 : BAND_H), x0 = x(sent);
  if (arrived) return { x0, y0, x1: x(arrived), y1, arrived };
  const part = isLost(i) ? 0.45 : Math.max(0.05, Math.min(0.45, (end - sent) / flightUsual));
  return { x0, y0, x1: x0 + Math.max(isLost(i) ? 4 : 0, x(sent + flightUsual * part) - x0), y1: y0 + (y1 - y0) * part, arrived };
}

function drawFrame(i, strong, heads) {
  const l = frameLine(i);
  if (!l || Math.max(l.x0, l.x1) < GUTTER) return;
  ctx.strokeStyle = ctx.fillStyle = strong ? css.ink : frameColor(i);
  ctx.lineWidth = strong ? 2.2 : 1.1;
  ctx.setLineDash(l.arrived ? [] : [4, 3]);
  ctx.beginPath(); ctx.moveTo(l.x0, l.y0); ctx.lineTo(l.x1, l.y1); ctx.stroke();
  ctx.setLineDash([]);
  if (strong) { ctx.beginPath(); ctx.arc(l.x0, l.y0, 3.5, 0, 7); ctx.fill(); } else hits.push({ e: eventOf.frame[i], line: l });
  if (!heads) return;
  const turn = Math.atan2(l.y1 - l.y0, l.x1 - l.x0);
  ctx.save();
  ctx.translate(l.x1, l.y1);
  ctx.rotate(turn);
  ctx.beginPath();
  if (l.arrived) { ctx.moveTo(0, 0); ctx.lineTo(-7, -3); ctx.lineTo(-7, 3); ctx.fill(); }
  else if (isLost(i)) { ctx.moveTo(-4, -4); ctx.lineTo(4, 4); ctx.moveTo(-4, 4); ctx.lineTo(4, -4); ctx.stroke(); }
  ctx.restore();
}

/* Each message if few are in view, how many there are if many, and in between both, the one through the other. */
function drawFrames() {
  density = null;
  if (!shown.kinds[FRAME]) return;
  const first = firstAt(frames.n, j => frames.get(j, 0), view.a - flightMax);
  const last = firstAt(frames.n, j => frames.get(j, 0), view.b);
  const most = 1.5 * (size.w - GUTTER), seen = [];
  let count = 0;
  for (let i = first; i < last; i++) {
    if (Math.max(frames.get(i, 1), frames.get(i, 0)) < view.a) continue;
    if (!lanes[frames.get(i, 2)] || !lanes[frames.get(i, 3)]) continue;
    if (count++ <= most) seen.push(i);
  }
  const far = Math.max(0, Math.min(1, (count - most * 0.6) / (most * 0.4)));
  if (far > 0) drawDensity(first, last, count, far);
  if (far === 1) return;
  ctx.globalAlpha = (1 - far) * Math.max(0.3, Math.min(0.95, 500 / (count + 1)));
  for (const i of seen) drawFrame(i, false, count < 400);
  ctx.globalAlpha = 1;
}

const BIN = 3; /* pixels */
const source = { sent: i => frames.get(i, 0), arrived: i => frames.get(i, 1), from: i => frames.get(i, 2), to: i => frames.get(i, 3), of: sortOf };

/* Bars in the gaps, by the square root, so that silence and storms fit one scale; by what they are of; losses on top. */
function drawDensity(first, last, count, alpha) {
  if (order.length < 2) return;
  const rank = [], bins = Math.ceil((size.w - GUTTER) / BIN), to = view.a + bins * BIN * (view.b - view.a) / (size.w - GUTTER);
  order.forEach((who, i) => { rank[who] = i; });
  density = messageDensity(source, first, last, rank, order.length - 1, SORTS.length, view.a, to, bins);
  density.rows = order.slice(1).map((who, gap) => ({ y0: lanes[order[gap]].below + 4, y1: lanes[who].y - 2 }));
  density.inView = count;
  density.alpha = alpha;
  ctx.globalAlpha = alpha;
  density.rows.forEach((row, gap) => { for (let sort = 0; sort < SORTS.length; sort++) drawBars(row, gap, sort); });
  ctx.globalAlpha = 1;
}

function drawBars(row, gap, sort) {
  const d = density, high = row.y1 - row.y0;
  ctx.fillStyle = sortColor(sort);
  for (let bin = 0; bin < d.bins; bin++) {
    const at = gap * d.bins + bin, sum = d.sums[at], n = d.counts[at * d.kinds + sort];
    if (!n) continue;
    let below = 0;
    for (let k = 0; k < sort; k++) below += d.counts[at * d.kinds + k];
    const bar = Math.max(2, high * Math.sqrt(sum / d.most)), h = Math.max(sort === LOST ? 1.5 : 0.5, bar * n / sum);
    ctx.fillRect(GUTTER + bin * BIN, row.y1 - bar * below / sum - h, BIN, h);
  }
}

/* Bar and words under the pointer, or null. */
function densityAt(px, py) {
  const d = density, bin = Math.floor((px - GUTTER) / BIN);
  const gap = d ? d.rows.findIndex(row => py >= row.y0 - 2 && py <= row.y1 + 2) : -1;
  if (gap < 0 || bin < 0 || bin >= d.bins) return null;
  const at = gap * d.bins + bin, width = (d.b - d.a) / d.bins, from = d.a + bin * width;
  const parts = SORTS.map((name, k) => [d.counts[at * d.kinds + k], name]).filter(([n]) => n).map(([n, name]) => number(n) + " " + name);
  return { t: from + width / 2, text: member(order[gap]) + "\u2013" + member(order[gap + 1]) + ", " + span(Math.round(width)) + " from " +
    ms(Math.max(begin, from)) + " ms: " + (parts.join(", ") || "no message") + ". Click to go nearer." };
}

/* So near that a third of what can be drawn one by one is in view, if it is spread evenly. */
function nearer(t) {
  const width = (view.b - view.a) * Math.min(0.4, 0.6 * (size.w - GUTTER) / density.inView);
  setView(t - width / 2, t + width / 2);
}

function drawOps() {
  if (!clients.n) return;
  let i = firstAt(ops.n, j => ops.get(j, 0), view.a - opMax);
  for (; i < ops.n && ops.get(i, 0) <= view.b; i++) {
    const b = ops.get(i, 1) || end;
    if (b < view.a) continue;
    const x0 = Math.max(GUTTER, x(ops.get(i, 0))), w = Math.max(1.5, Math.min(size.w, x(b)) - x0 - 1);
    const y0 = clients.y + ops.get(i, 2) * (OP_H + OP_GAP);
    ctx.fillStyle = css[data.outcome_names[ops.get(i, 6)]];
    ctx.fillRect(x0, y0, w, OP_H);
    hits.push({ e: eventOf.op[i], x0, x1: x0 + w, y0: y0 - 1, y1: y0 + OP_H + 1 });
  }
}

function drawLabels() {
  ctx.fillStyle = css.paper;
  ctx.fillRect(0, 0, GUTTER, size.h);
  const t = cursor !== null ? Math.min(cursor, end) : chosen >= 0 ? at[chosen] : Math.min(view.b, end);
  lanes.forEach((lane, i) => {
    const m = members[i], j = stateAt(m, t), k = firstAt(m.bands.length, b => m.bands[b].a, t + 1) - 1;
    text(ctx, member(i), 14, lane.band + BAND_H / 2, css.ink, "650 14px " + css.sans);
    if (j < 0 || k < 0) return;
    const band = m.bands[k];
    text(ctx, "term " + band.term, 14, lane.track + 4, css.soft, "11.5px " + css.sans);
    text(ctx, "commit " + number(m.commit[j]), 14, lane.track + 19, css.soft, "11.5px " + css.sans);
  });
  if (clients.n) text(ctx, "requests", 14, clients.y + Math.max(OP_H, clients.n * (OP_H + OP_GAP) - OP_GAP) / 2, css.soft, "12px " + css.sans);
  ctx.fillStyle = css.rule;
  ctx.fillRect(GUTTER - 0.5, 0, 1, size.h);
  lanes.forEach(lane => ctx.fillRect(0, lane.y + lane.h, size.w, 0.5));
}

function mark(t, label, color, dash) {
  const px = x(t);
  if (px < GUTTER || px > size.w) return;
  ctx.strokeStyle = color; ctx.lineWidth = dash ? 1 : 2;
  ctx.setLineDash(dash || []);
  ctx.beginPath(); ctx.moveTo(px, AXIS - 2); ctx.lineTo(px, size.h); ctx.stroke();
  ctx.setLineDash([]);
  if (!label) return;
  ctx.font = "600 11.5px " + css.sans;
  const w = ctx.measureText(label).width + 12, left = Math.max(GUTTER, Math.min(px - w / 2, size.w - w));
  ctx.fillStyle = color; ctx.fillRect(left, 2, w, 19);
  text(ctx, label, left + 6, 12, css.paper, ctx.font);
}

function drawChosen(e, strong) {
  if (e < 0) return;
  if (kindOf[e] === FRAME) {
    if (endOf(e) >= view.a && at[e] <= view.b) drawFrame(refOf[e], true, true);
    return;
  }
  if (!strong || kindOf[e] === FAIL) return;
  const x0 = Math.max(GUTTER, x(at[e])), x1 = Math.min(size.w, x(endOf(e)));
  if (x1 < GUTTER || x0 > size.w) return;
  ctx.fillStyle = css.accent; ctx.globalAlpha = 0.14;
  if (x1 > x0 + 2) ctx.fillRect(x0, AXIS, x1 - x0, size.h);
  ctx.globalAlpha = 1;
  mark(at[e], "", css.accent, [2, 3]);
  const hit = hits.find(h => h.e === e && !h.line);
  if (!hit) return;
  ctx.strokeStyle = css.ink; ctx.lineWidth = 2;
  ctx.strokeRect(hit.x0 - 1, hit.y0 - 1, hit.x1 - hit.x0 + 2, hit.y1 - hit.y0 + 2);
}

function drawOverview() {
  const w = overview.clientWidth, h = 44, ox = t => GUTTER + (t - begin) * (w - GUTTER - 8) / (end - begin);
  octx.clearRect(0, 0, w, h);
  text(octx, "whole run", 14, h / 2 - 7, css.soft, "11.5px " + css.sans);
  text(octx, span(end - begin), 14, h / 2 + 8, css.soft, "11.5px " + css.sans);
  const row = Math.min(9, 30 / Math.max(1, members.length));
  members.forEach((m, i) => {
    let lastPx = -1;
    for (const b of m.bands) {
      const x0 = ox(b.a), x1 = ox(b.b);
      if (b.mode === 0 || (x1 - x0 < 0.3 && x1 < lastPx + 0.3)) continue;
      lastPx = x1;
      octx.fillStyle = b.mode >= ROLE ? bandColor(b) : css.wash;
      octx.fillRect(x0, 5 + i * row, Math.max(0.7, x1 - x0), row - 1);
    }
  });
  octx.fillStyle = css.fault;
  for (const f of faults) if (f.lasts) octx.fillRect(ox(f.a), 37, Math.max(1, ox(f.b) - ox(f.a)), 2);
  if (data.fail) { octx.fillStyle = css.fail; octx.fillRect(ox(end) - 1, 2, 3, h - 4); }
  const x0 = ox(Math.max(begin, view.a)), x1 = Math.max(x0 + 4, ox(Math.min(end, view.b)));
  octx.fillStyle = css.accent; octx.globalAlpha = 0.13; octx.fillRect(x0, 1, x1 - x0, h - 2);
  octx.globalAlpha = 1; octx.strokeStyle = css.accent; octx.lineWidth = 1.5; octx.strokeRect(x0, 1, x1 - x0, h - 2);
}

function draw() {
  asked = false;
  hits = [];
  layout();
  ctx.clearRect(0, 0, size.w, size.h);
  drawAxis();
  drawFrames(); /* behind the bands, which they pass */
  const scale = trackScale();
  lanes.forEach((lane, i) => {
    if (shown.kinds[FAULT]) drawFaults(i, lane);
    drawBands(members[i], lane);
    drawConfigs(members[i], lane);
    drawTrack(members[i], lane, scale);
  });
  if (shown.kinds[LINE]) drawNotes();
  if (shown.kinds[FAULT]) drawInstants();
  drawOps();
  if (data.healed_us) mark(data.healed_us, "faults end", css.soft, [5, 4]);
  drawChosen(chosen, true);
  if (hovered !== chosen) drawChosen(hovered, false);
  if (cursor !== null) mark(cursor, ms(Math.max(0, cursor)) + " ms", css.soft, [1, 3]);
  if (data.fail) mark(end, data.fail.checker + " fails", css.fail);
  drawLabels();
  drawOverview();
}

function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(draw);
}

/* ---- what is under the pointer ---- */

function distance(l, px, py) {
  const dx = l.x1 - l.x0, dy = l.y1 - l.y0;
  const part = Math.max(0, Math.min(1, ((px - l.x0) * dx + (py - l.y0) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(px - l.x0 - part * dx, py - l.y0 - part * dy);
}

/* What was drawn last lies on top; of lines the nearest. */
function hitAt(px, py) {
  if (px < GUTTER) return -1;
  let best = -1, near = 6;
  for (let i = hits.length - 1; i >= 0; i--) {
    const h = hits[i];
    if (!h.line && px >= h.x0 - 1 && px <= h.x1 + 1 && py >= h.y0 && py <= h.y1) return h.e;
    if (!h.line) continue;
    const d = distance(h.line, px, py);
    if (d < near) { near = d; best = h.e; }
  }
  return best;
}

const place = ev => { const r = canvas.getBoundingClientRect(); return [ev.clientX - r.left, ev.clientY - r.top]; };

function showTip(ev) {
  const tip = $("tip"), box = $("stage").getBoundingClientRect(), bar = hovered < 0 ? densityAt(...place(ev)) : null;
  tip.hidden = hovered < 0 && !bar;
  if (tip.hidden) return;
  tip.textContent = bar ? bar.text : titleOf(hovered) + " \u00b7 " + ms(at[hovered]) + " ms";
  const left = ev.clientX - box.left + 14, top = ev.clientY - box.top + 16;
  tip.style.left = Math.max(4, Math.min(left, box.width - tip.offsetWidth - 8)) + "px";
  tip.style.top = Math.min(top, box.height - tip.offsetHeight - 4) + "px";
}

const pointers = new Map();
let moved = false;
canvas.addEventListener("pointerdown", ev => {
  pointers.set(ev.pointerId, ev);
  moved = false;
  try { canvas.setPointerCapture(ev.pointerId); } catch { /* a pointer that is gone already */ }
});
canvas.addEventListener("pointermove", ev => {
  const before = pointers.get(ev.pointerId);
  if (!before) {
    const at = place(ev);
    hovered = hitAt(...at);
    cursor = at[0] > GUTTER ? timeAt(at[0]) : null;
    canvas.style.cursor = hovered >= 0 || densityAt(...at) ? "pointer" : "default";
    redraw();
    showTip(ev);
    return;
  }
  if (!moved && Math.abs(ev.clientX - before.clientX) < 3) return;
  moved = true;
  const perPx = (view.b - view.a) / (size.w - GUTTER);
  const other = [...pointers.values()].find(p => p.pointerId !== ev.pointerId);
  if (other) { /* two fingers: what is under them stays there */
    const was = Math.max(8, Math.abs(before.clientX - other.clientX)), is = Math.max(8, Math.abs(ev.clientX - other.clientX));
    zoom(was / is, timeAt(place(other)[0]));
  } else {
    setView(view.a - (ev.clientX - before.clientX) * perPx, view.b - (ev.clientX - before.clientX) * perPx);
    $("scroll").scrollTop -= ev.clientY - before.clientY;
  }
  pointers.set(ev.pointerId, ev);
});
canvas.addEventListener("pointerup", ev => {
  if (!pointers.delete(ev.pointerId) || moved) return;
  const e = hitAt(...place(ev)), bar = e < 0 ? densityAt(...place(ev)) : null;
  if (bar) nearer(bar.t); else choose(e, false);
});
canvas.addEventListener("pointercancel", ev => pointers.delete(ev.pointerId));
canvas.addEventListener("pointerleave", () => { hovered = -1; cursor = null; $("tip").hidden = true; redraw(); });
canvas.addEventListener("wheel", ev => {
  ev.preventDefault();
  const across = ev.shiftKey ? ev.deltaY || ev.deltaX : ev.deltaX;
  if (Math.abs(across) > Math.abs(ev.shiftKey ? 0 : ev.deltaY)) pan(across / 1200);
  else zoom(Math.exp(Math.max(-120, Math.min(120, ev.deltaY)) * 0.0022), timeAt(Math.max(GUTTER, place(ev)[0])));
}, { passive: false });

function overviewGo(ev) {
  const r = overview.getBoundingClientRect();
  lookAt(begin + (ev.clientX - r.left - GUTTER) * (end - begin) / (r.width - GUTTER - 8));
}
overview.addEventListener("pointerdown", ev => { overview.setPointerCapture(ev.pointerId); overviewGo(ev); });
overview.addEventListener("pointermove", ev => { if (ev.buttons) overviewGo(ev); });

/* ---- the list ---- */

const ROW = 24, TALL = 8e6; /* browsers have a highest element: longer lists move faster than the scroll bar */
const list = {
  box: $("list"),
  height: () => Math.min(TALL, listed.length * ROW),
  /* Pixels of the scroll bar to rows, and back. */
  scale() { return Math.max(1, (listed.length * ROW - this.box.clientHeight) / Math.max(1, this.height() - this.box.clientHeight)); },
  refresh() {
    const inner = this.box.firstElementChild, top = this.box.scrollTop * this.scale();
    inner.style.height = this.height() + "px";
    const first = Math.max(0, Math.floor(top / ROW) - 4), last = Math.min(listed.length, first + Math.ceil(this.box.clientHeight / ROW) + 9);
    const rows = [];
    for (let i = first; i < last; i++) rows.push(this.row(listed[i], i, this.box.scrollTop + i * ROW - top));
    inner.replaceChildren(...rows);
  },
  row(e, i, top) {
    const div = document.createElement("div"), time = document.createElement("b"), dot = document.createElement("i"), what = document.createElement("span");
    div.className = kindOf[e] === FAIL ? "row failed" : "row";
    div.style.top = top + "px";
    div.dataset.event = e;
    div.setAttribute("role", "option");
    div.setAttribute("aria-selected", String(e === chosen));
    div.setAttribute("aria-posinset", i + 1);
    div.setAttribute("aria-setsize", listed.length);
    time.textContent = ms(at[e]);
    dot.style.setProperty("--c", colorOf(e));
    what.textContent = what.title = titleOf(e);
    div.append(time, dot, what);
    return div;
  },
  /* Where nothing chosen is in view, the list shows what the view does. */
  follow() {
    if (!listed.length || (chosen >= 0 && at[chosen] >= view.a && at[chosen] <= view.b)) return;
    const top = Math.floor(this.box.scrollTop * this.scale() / ROW), rows = Math.floor(this.box.clientHeight / ROW);
    const upper = listed[Math.min(top, listed.length - 1)], lower = listed[Math.min(top + rows, listed.length - 1)];
    if (at[lower] >= view.a && at[upper] <= view.b) return;
    this.box.scrollTop = firstAt(listed.length, i => at[listed[i]], view.a) * ROW / this.scale();
    this.refresh();
  },
  reveal(e) {
    const y = rankOf(e) * ROW, top = this.box.scrollTop * this.scale();
    if (y < top || y > top + this.box.clientHeight - ROW) this.box.scrollTop = Math.max(0, y - this.box.clientHeight / 2) / this.scale();
    this.refresh();
  },
};
function colorOf(e) {
  const i = refOf[e];
  switch (kindOf[e]) {
  case FRAME: return frameColor(i);
  case BAND: return css[modeName(states.get(i, 2))] || css.rule;
  case FAIL: return css.fail;
  case OP: return css[data.outcome_names[ops.get(i, 6)]];
  default: return css[KINDS[kindOf[e]][2].slice(2)];
  }
}
list.box.addEventListener("scroll", () => list.refresh());
list.box.addEventListener("click", ev => {
  const row = ev.target.closest(".row");
  if (row) choose(+row.dataset.event, true);
});

/* ---- details ---- */

function detailsOf(e) {
  const i = refOf[e], facts = [["at", ms(at[e]) + " ms"]];
  let about = "", said = "";
  switch (kindOf[e]) {
  case FRAME: {
    const arrived = frames.get(i, 1), fate = fateOf(i);
    about = FRAMES[data.frame_names[frames.get(i, 4)]] || "";
    facts.push(["arrives", arrived ? ms(arrived) + " ms, after " + span(arrived - at[e])
      : fate === "lost" ? "never: the network lost it" : "not: its connection ended, or the run did"]);
    if (fate && fate !== "lost") facts.push(["network", fate === "delayed" ? "held back, may be overtaken" : fate === "duplicate" ? "a second copy" : "a frame of an earlier connection again"]);
    said = data.texts[frames.get(i, 6)];
    break;
  }
  case BAND: case PROGRESS: case CONFIG: {
    const [voters, outgoing, learners] = configOf(i), stored = states.get(i, 5), last = states.get(i, 6);
    if (outgoing) about = "Joint: a majority of the old voters and one of the new ones have to agree.";
    facts.push(["is", modeName(states.get(i, 2))], ["term", states.get(i, 3)]);
    facts.push(["committed", number(states.get(i, 4))], ["on disk", number(stored)]);
    if (last > stored) facts.push(["in memory", "up to " + number(last) + ", lost if power goes"]);
    if (states.get(i, 7)) facts.push(["disk", states.get(i, 7) + " operations under way"]);
    if (outgoing) facts.push(["old voters", bits(outgoing)]);
    if (voters) facts.push([outgoing ? "new voters" : "voters", bits(voters)]);
    if (learners) facts.push(["learners", bits(learners)]);
    break;
  }
  case FAIL:
    about = CHECKERS[data.fail.checker] || "";
    said = data.fail.text;
    break;
  case LINE: said = titleOf(e); break;
  case FAULT: {
    const f = faults[i];
    about = f.what === "healed" ? "The second phase begins: what is healed has to elect, to answer and to become equal in time." : FAULTS[f.kind] || "";
    if (f.lasts) facts.push(["until", f.what === "for-ever" || f.b === end ? "the end" : ms(f.b) + " ms"], ["lasts", span(f.b - f.a)]);
    else if (f.what === "rate") facts.push(["rate", f.value + " ppm"]);
    break;
  }
  default: {
    const b = ops.get(i, 1), outcome = data.outcome_names[ops.get(i, 6)], kind = data.op_names[ops.get(i, 3)];
    about = OUTCOMES[outcome];
    facts.push(["client", "c" + ops.get(i, 2) + ", through " + member(ops.get(i, 4))]);
    if (b) facts.push([outcome === "unknown" ? "given up" : "answered", ms(b) + " ms, after " + span(b - at[e])]);
    if (kind === "get" && outcome === "acknowledged") facts.push(["reads", ops.get(i, 7) ? "what operation " + ops.get(i, 7) + " wrote" : "nothing there"]);
    if (kind === "put") facts.push(["applied", ops.get(i, 8) ? "as entry " + number(ops.get(i, 8)) : "nowhere, so far"]);
    facts.push(["operation", ops.get(i, 9)]);
  }
  }
  return { about, said, facts };
}

function element(name, content, className) {
  const el = document.createElement(name);
  if (content !== undefined) el.textContent = content;
  if (className) el.className = className;
  return el;
}

/* Nothing is chosen. */
function showWelcome(box) {
  const f = data.fail;
  box.append(element("h2", f ? "What now?" : "Look around"));
  if (f) box.append(element("p", "The red line is the moment at which " + f.checker + " failed; the cause is before it, on its left. " +
    "Step back through the list, look at who led, what was lost, what each disk held. A smaller run that fails in the same way comes from"),
  element("p", data.again.replace(/--(seed|script)=/, "--shrink=").replace(/ --(twice|quiet)/g, ""), "said"));
  box.append(element("p", "Click a band, a message, a fault, a request, or a line of the list. Press ? for how to read this page."));
}

function showDetails() {
  const box = $("details");
  box.replaceChildren();
  if (chosen < 0) { showWelcome(box); return; }
  const d = detailsOf(chosen), dl = element("dl");
  const title = kindOf[chosen] === FAIL ? data.fail.checker + " fails" : kindOf[chosen] === LINE ? (membersOf(chosen).length ? "A line of " + member(membersOf(chosen)[0]) : "A line of the run") : titleOf(chosen);
  box.append(element("h2", title));
  if (d.about) box.append(element("p", d.about));
  if (d.said) box.append(element("p", d.said, "said"));
  for (const [name, value] of d.facts) dl.append(element("dt", name), element("dd", value));
  const steps = element("div", undefined, "steps");
  for (const [label, act] of [["Previous", "previous"], ["Next", "next"], ["Zoom to it", "near"]]) {
    const b = element("button", label);
    b.type = "button";
    b.dataset.do = act;
    steps.append(b);
  }
  box.append(dl, steps);
}

/* ---- the head of the page ---- */

function showHead() {
  const v = $("verdict"), f = data.fail;
  v.className = f ? "failed" : "";
  v.append(element("h1", f ? f.checker + " fails after " + ms(data.end_us) + " ms (" + f.kind + ")" : "Passed: no checker found anything wrong"));
  if (f) v.append(element("p", f.text));
  v.append(element("p", f ? CHECKERS[f.checker] || "" : "Seed " + data.seed + " ran to its end in " + span(data.end_us) + " of virtual time.", "why"));
  document.title = (f ? f.checker + " fails" : "passed") + ", seed " + data.seed;
  $("facts").textContent = ["seed " + data.seed, data.nodes + " members" + (members.length > data.nodes ? ", later " + members.length : ""), data.storage, number(data.events) + " steps",
    data.beyond ? "beyond tolerance (zone b)" : "", "commit " + data.commit].filter(Boolean).join(" \u00b7 ");
  $("again").querySelector("code").textContent = data.again;
  document.querySelector("[data-do=fail]").hidden = !f;
}

function toggle(box, label, color, isOn, flip) {
  const b = element("button");
  b.type = "button";
  if (color) { const dot = element("i"); dot.style.setProperty("--c", "var(" + color + ")"); b.append(dot); }
  b.append(label);
  b.setAttribute("aria-pressed", String(isOn()));
  b.addEventListener("click", () => { flip(); b.setAttribute("aria-pressed", String(isOn())); filter(); });
  box.append(b);
}

function showFilters() {
  KINDS.forEach(([, label, color], k) =>
    toggle($("kinds"), label, color, () => shown.kinds[k], () => { shown.kinds[k] = !shown.kinds[k]; }));
  members.forEach((m, i) =>
    toggle($("who"), member(i), "", () => shown.members[i], () => { shown.members[i] = !shown.members[i]; }));
  for (const [label, color, shape] of [["leader", "leader"], ["follower", "follower"], ["candidate", "candidate"],
    ["asks for pre-votes", "pre-candidate"], ["paused", "paused"], ["down", "down"], ["fault", "fault"],
    ["log on disk", "stored", "line"], ["in memory alone", "volatile"], ["disk at work", "queued", "line"], ["committed", "commit", "line"],
    ["by anybody", "frontier", "dots"], ["append", "append"], ["vote", "vote"], ["snapshot", "snapshot"], ["read", "read"],
    ["other", "other"], ["lost", "fail"], ["acknowledged", "acknowledged"], ["refused", "refused"], ["unknown", "unknown"]]) {
    const s = element("span"), dot = element("i", undefined, shape);
    dot.style.setProperty("--c", "var(--" + color + ")");
    s.append(dot, label);
    $("legend").append(s);
  }
}

/* ---- buttons and keys ---- */

const ACTS = {
  in: () => zoom(0.6), out: () => zoom(1 / 0.6), all: wholeRun, fail: failureView,
  terms: () => {
    shown.byTerm = !shown.byTerm;
    document.querySelector("[data-do=terms]").setAttribute("aria-pressed", String(shown.byTerm));
    redraw();
  },
  help: () => $("help").showModal(), next: () => step(1), previous: () => step(-1),
  near: () => {
    const b = endOf(chosen), pad = Math.max(300, (b - at[chosen]) * 0.4);
    setView(at[chosen] - pad, b + pad);
  },
  copy: ev => {
    const done = () => { ev.target.textContent = "Copied"; setTimeout(() => { ev.target.textContent = "Copy"; }, 1500); };
    const select = () => getSelection().selectAllChildren($("again").querySelector("code"));
    if (navigator.clipboard) navigator.clipboard.writeText(data.again).then(done, select); else select();
  },
};
document.addEventListener("click", ev => {
  const b = ev.target.closest("[data-do]");
  if (b) ACTS[b.dataset.do](ev);
});

const KEYS = {
  "+": ACTS.in, "=": ACTS.in, "-": ACTS.out, ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2),
  ArrowUp: () => $("scroll").scrollBy(0, -80), ArrowDown: () => $("scroll").scrollBy(0, 80),
  Home: () => setView(begin, begin + view.b - view.a), End: () => setView(end - (view.b - view.a), end),
  0: wholeRun, f: () => { if (data.fail) failureView(); }, n: ACTS.next, p: ACTS.previous, t: ACTS.terms, "?": ACTS.help,
  "/": () => $("search").focus(), Escape: () => choose(-1, false),
};
document.addEventListener("keydown", ev => {
  if (ev.ctrlKey || ev.metaKey || ev.altKey || $("help").open) return;
  if (ev.target === $("search")) {
    if (ev.key === "Enter") { search(); step(ev.shiftKey ? -1 : 1); }
    if (ev.key === "Escape") canvas.focus();
    return;
  }
  const inList = ev.target === list.box && { ArrowDown: ACTS.next, ArrowUp: ACTS.previous }[ev.key];
  const act = inList || KEYS[ev.key];
  if (!act) return;
  ev.preventDefault();
  act(ev);
});
let typing = 0;
function search() {
  clearTimeout(typing);
  if (shown.search === $("search").value) return;
  shown.search = $("search").value;
  filter();
}
$("search").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(search, 200); });

/* ---- */

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readStyle(); patterns.clear(); list.refresh(); redraw(); });
const sizes = new ResizeObserver(() => { list.refresh(); redraw(); });
for (const id of ["scroll", "overview", "list"]) sizes.observe($(id));

readStyle();
showHead();
showFilters();
showDetails();
filter();
if (data.fail) failureView(); else wholeRun();
if (data.fail) list.reveal(Math.max(0, total - 1));

/* For the console, and for tests of this page. */
window.simPage = {
  data, view, total, choose, wholeRun, failureView, setView, draw,
  density: () => density,
  lostIn: () => density.counts.reduce((sum, n, i) => sum + (i % density.kinds === LOST ? n : 0), 0),
  /* The foot of a bar, by its number among all. */
  placeOfBar: i => [GUTTER + (i % density.bins) * BIN + 1, density.rows[Math.floor(i / density.bins)].y1 - 1],
  find: search => { const m = matcher(search); for (let e = total - 1; e >= 0; e--) if (m(e)) return e; return -1; },
  title: titleOf,
  unexplained: () => data.fault_names.filter(name => !FAULTS[name]),
  /* Where an event is on the screen, or null. */
  placeOf(e) {
    const h = hits.find(hit => hit.e === e), r = canvas.getBoundingClientRect();
    if (!h) return null;
    const mid = h.line ? [(h.line.x0 + h.line.x1) / 2, (h.line.y0 + h.line.y1) / 2] : [(h.x0 + h.x1) / 2, (h.y0 + h.y1) / 2];
    return { x: r.left + mid[0], y: r.top + mid[1] };
  },
};
})();
