'use strict';

// The page of dashboards: asks /api/dashboards/SCOPE/analytics for what the column store tells, /api/dashboards/SCOPE and, of one course,
// /api/dashboards/courses/ID for what the database keeps. Each part says how fresh it is. What one of them cannot tell hides no other.

const byId = id => document.getElementById(id);
const charts = new Map();  // by id: {plot, draw}
const freshOf = new Map(); // by id: as of when
let asked = 0;             // only the newest question is answered
let askedCourse = 0;       // likewise

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dayOf = time => time.slice(0, 10);

function say(text, isError = false) {
  byId('message').textContent = text;
  byId('message').classList.toggle('error', isError);
}

function freshness(asOf) {
  const age = Math.max(0, Math.round((Date.now() - Date.parse(asOf)) / 1000));
  const words = age < 60 ? `${age} s` : age < 3600 ? `${Math.round(age / 60)} min` : `${Math.round(age / 3600)} h`;
  return `As of ${asOf.replace('T', ' ').slice(0, 19)} UTC, ${words} ago`;
}

function showFreshness() {
  for (const [id, asOf] of freshOf) byId(`${id}-fresh`).textContent = freshness(asOf);
}

// RFC 3339 of one zone: in the order of time. What the browser has had before is as of the header's time, too.
const laterOf = (asOf, header) => header && header > asOf ? header : asOf;
const shownAsOf = ({body, asOf}) => laterOf(body.as_of, asOf);

function setFresh(id, asOf, header) {
  freshOf.set(id, laterOf(asOf, header));
}

function fillTable(table, heads, rows) {
  table.replaceChildren();
  const head = table.createTHead().insertRow();
  for (const text of heads) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    cell.textContent = text;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) line.insertCell().textContent = String(value);
  }
}

// Of `names` as much as has room beside the others.
const shortened = (name, room) => name.length <= room ? name : name.slice(0, Math.max(1, room - 1)) + '…';

// One chart: `x` numbers, `series` [{label, colour, values}], `names` of the points and below them. An empty one says so.
function showChart(id, {x, names, ticks = names, series, isTime, isBars, of = 'Day'}) {
  const box = byId(`${id}-chart`), point = byId(`${id}-point`);
  const old = charts.get(id);
  if (old) old.plot?.destroy();
  box.replaceChildren();
  const isEmpty = x.length === 0;
  box.classList.toggle('empty', isEmpty);
  if (isEmpty) {
    box.textContent = 'Nothing yet.';
    charts.set(id, {plot: null, draw: null});
    return;
  }
  const draw = () => {
    charts.get(id)?.plot?.destroy();
    const axis = {stroke: colour('--text'), grid: {stroke: colour('--line'), width: 1}, ticks: {stroke: colour('--line')}};
    const width = Math.max(240, box.clientWidth);
    const room = Math.floor((width - 60) / x.length / 8);  // letters of 8 px
    const options = {
      width, height: 240, cursor: {drag: {x: false, y: false}},
      scales: {x: {time: isTime, range: isBars ? () => [-0.5, x.length - 0.5] : undefined}, y: {range: (plot, min, max) => [0, Math.max(1, max * 1.1)]}},
      axes: [isBars ? {...axis, splits: () => x, values: (plot, at) => at.map(tick => shortened(ticks[tick] ?? '', room))} : axis, axis],
      series: [{label: of, value: (plot, value) => value == null ? '' : names[x.indexOf(value)] ?? ''}].concat(
        series.map(one => ({label: one.label, stroke: colour(one.colour), width: 2, points: {show: !isBars && x.length < 40},
          fill: isBars ? colour(one.colour) : undefined, paths: isBars ? uPlot.paths.bars({size: [0.7, 60]}) : undefined}))),
    };
    const plot = new uPlot(options, [x, ...series.map(one => one.values)], box);
    charts.set(id, {plot, draw});
    box.onkeydown = event => {
      const step = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity}[event.key];
      if (step === undefined) return;
      event.preventDefault();
      const from = plot.cursor.idx ?? (step > 0 ? -1 : x.length);
      const at = Math.min(x.length - 1, Math.max(0, from + step));
      plot.setCursor({left: plot.valToPos(x[at], 'x'), top: 10});
      point.textContent = `${names[at]}: ` + series.map(one => `${one.values[at]} ${one.label.toLowerCase()}`).join(', ');
    };
  };
  charts.set(id, {plot: null, draw});
  draw();
}

function everyDay(days, count) {
  const found = new Map(days.map(day => [dayOf(day.day), day]));
  const today = Math.floor(Date.now() / 86400000);
  const all = [];
  for (let day = today - count + 1; day <= today; day++) {
    const name = new Date(day * 86400000).toISOString().slice(0, 10);
    const of = found.get(name) ?? {learners: 0, lessons: 0, attempts: 0};
    all.push({x: day * 86400, name, ...of});
  }
  return all;
}

function showActivity(part, count) {
  const days = part.days.length === 0 ? [] : everyDay(part.days, count);
  showChart('activity', {
    x: days.map(day => day.x), names: days.map(day => day.name), isTime: true,
    series: [{label: 'Learners', colour: '--first', values: days.map(day => day.learners)},
             {label: 'Lessons', colour: '--second', values: days.map(day => day.lessons)},
             {label: 'Attempts', colour: '--third', values: days.map(day => day.attempts)}],
  });
  fillTable(byId('activity-table'), ['Day', 'Learners', 'Lessons', 'Attempts'],
            part.days.map(day => [dayOf(day.day), day.learners, day.lessons, day.attempts]));
}

function showBars(id, heads, lines, label, ticks) {
  showChart(id, {x: lines.map((line, at) => at), names: lines.map(line => line[0]), ticks, isTime: false, isBars: true, of: heads[0],
                 series: [{label, colour: '--first', values: lines.map(line => line[1])}]});
  fillTable(byId(`${id}-table`), heads, lines);
}

// `counts` of [0 %, 10 %), .. [90 %, 100 %].
function showBands(id, heads, counts) {
  const last = counts.length - 1, width = 100 / counts.length;
  const lines = counts.map((count, at) => [`${at * width}–${at === last ? 100 : (at + 1) * width - 1} %`, count]);
  showBars(id, heads, counts.every(count => count === 0) ? [] : lines, heads[1], counts.map((count, at) => `${at * width} %`));
}

function showScores({bands, unknown}) {
  showBands('scores', ['Score', 'Attempts'], bands);
  byId('scores-unknown').textContent = unknown === 0 ? '' : `Of ${unknown} older attempts it is not known.`;
}

function showStored({body, asOf}, count) {
  const {learners} = body.funnel;
  showActivity(body.activity, count);
  showBars('funnel', ['Step', 'Learners'], learners.enrolled === 0 ? [] : [
    ['Enrolled', learners.enrolled], ['Began', learners.began], ['Attempted', learners.attempted], ['Completed', learners.completed]], 'Learners');
  showBars('top', ['Course', 'Active learners', 'Lessons', 'Attempts'],
           body.top_courses.courses.map(line => [line.title, line.learners, line.lessons, line.attempts]), 'Learners');
  showScores(body.scores);
  const {total, learners: idle} = body.at_risk;
  byId('risk-total').textContent = total === 0 ? 'Nobody is.' : `${total} are` + (total > 50 ? '; the 50 longest idle:' : ':');
  fillTable(byId('risk-table'), ['Course', 'Learner', 'Last active', 'Lessons completed'],
            idle.map(one => [one.title, one.name, dayOf(one.last_active), one.lessons_completed]));
  for (const [id, part] of [['activity', body.activity], ['funnel', body.funnel], ['top', body.top_courses], ['scores', body.scores],
                            ['risk', body.at_risk]])
    setFresh(id, part.as_of, asOf);
}

function showNow({body, asOf}, scope) {
  const lines = scope === 'instructor' ? body.courses : body.top_courses;
  fillTable(byId('now-table'), ['Course', 'Enrolled', 'Active', 'Completed', 'Average grade'], lines.map(line => [
    line.title, line.enrolled, line.active, line.completed, line.average_percent === null ? '–' : `${line.average_percent.toFixed(1)} %`]));
  byId('now-title').textContent = scope === 'instructor' ? 'Courses now' : 'Courses with most learners now';
  setFresh('now', body.as_of, asOf);
}

// One of one's own, which the list names.
function listCourses(lines) {
  const before = byId('course').value;
  byId('course').replaceChildren(...lines.map(line => new Option(line.title, line.course)));
  if (lines.some(line => String(line.course) === before)) byId('course').value = before;
  return lines.length === 0 ? null : loadCourse();
}

async function loadCourse() {
  const question = ++askedCourse;
  const {body, asOf} = await ask(`/api/dashboards/courses/${byId('course').value}`);
  if (question !== askedCourse) return;
  for (const id of ['lessons', 'grades']) byId(`${id}-section`).hidden = !body && id === 'grades';
  if (!body) {
    freshOf.delete('lessons');
    byId('lessons-fresh').textContent = 'The lessons cannot be shown now.';
    return;
  }
  const lessons = body.funnel;
  showChart('lessons', {
    x: lessons.map(step => step.number), names: lessons.map(step => step.title), isTime: false, of: 'Lesson',
    series: [{label: 'Begun', colour: '--first', values: lessons.map(step => step.begun)},
             {label: 'Completed', colour: '--second', values: lessons.map(step => step.completed)}],
  });
  fillTable(byId('lessons-table'), ['Lesson', 'Begun', 'Completed'], lessons.map(step => [step.title, step.begun, step.completed]));
  showBands('grades', ['Grade', 'Learners'], body.grades);
  for (const id of ['lessons', 'grades']) setFresh(id, body.as_of, asOf);
  showFreshness();
}

// How many there are, and how many of them the list has, if that is fewer.
function counted(listed, courses, isMore) {
  const all = isMore ? `The newest ${courses} courses.` : courses === 1 ? '1 course.' : `${courses} courses.`;
  return listed < courses ? `${all} Listed are the newest ${listed}.` : all;
}

function show(stored, now, count, scope) {
  const courses = stored.body?.courses ?? (scope === 'instructor' ? now.body.courses.length : now.body.courses);
  const isEmpty = courses === 0;
  byId('charts').hidden = isEmpty;
  if (isEmpty) return say('There are no courses here yet.');
  freshOf.clear();
  for (const section of document.querySelectorAll('.stored')) section.hidden = !stored.body;
  byId('now-title').parentElement.hidden = !now.body;
  for (const id of ['lessons', 'grades']) byId(`${id}-section`).hidden = scope !== 'instructor' || !now.body;
  const listed = scope === 'instructor' && now.body ? now.body.courses.length : courses;
  say(counted(listed, courses, stored.body ? stored.body.is_partial : now.body.is_partial || now.body.next_before) +
      (stored.body && now.body && !now.lacksPages ? '' : ' Some figures cannot be shown now.') +
      (stored.isStale || now.isStale ? ' They are shown as they were: the newest changes are not in them yet.' : ''));
  if (stored.body) showStored(stored, count);
  if (now.body) showNow(now, scope);
  showFreshness();
  if (now.body && scope === 'instructor') return listCourses(now.body.courses);
}

// {status, body: null unless it is 200, asOf: of what is shown, if the server says so, isStale: newer figures were not to be had}
async function ask(path) {
  try {
    const answer = await fetchAsSeen(path);
    return {status: answer.status, body: answer.ok ? await answer.json() : null, asOf: answer.headers.get('Loadstone-As-Of'),
            isStale: answer.headers.has('Loadstone-Stale')};
  } catch {
    return {status: 0, body: null, asOf: null, isStale: false};
  }
}

const listedMax = 1000;  // as many as the column store is asked about

// What the database keeps: of an instructor page by page, until there is no more, one fails (`lacksPages`), or another
// question is asked.
async function askNow(scope, question) {
  const path = `/api/dashboards/${scope}`;
  if (scope !== 'instructor') return ask(path);
  const now = await ask(`${path}?limit=100`);
  while (now.body?.next_before && now.body.courses.length < listedMax && question === asked) {
    const page = await ask(`${path}?limit=100&before=${now.body.next_before}`);
    if (!page.body) {
      now.lacksPages = true;
      break;
    }
    now.body.courses.push(...page.body.courses);
    now.body.next_before = page.body.next_before;
    if (shownAsOf(page) < shownAsOf(now)) [now.body.as_of, now.asOf] = [page.body.as_of, page.asOf];
    now.isStale ||= page.isStale;
  }
  return now;
}

async function load() {
  const question = ++asked;
  const scope = byId('scope').value, days = Number(byId('days').value);
  say('Loading…');
  const [stored, now] = await Promise.all([ask(`/api/dashboards/${scope}/analytics?days=${days}`),
                                           askNow(scope, question)]);
  if (question !== asked) return;
  const status = now.status || stored.status;
  byId('sign-in').hidden = status !== 401;
  if (stored.body || now.body) return show(stored, now, days, scope);
  byId('charts').hidden = true;
  if (status === 401) return say('Sign in to see your courses.');
  if (status === 403) return say('Only an admin sees the courses of an organisation.', true);
  say('The figures cannot be shown now. Try again in a moment.', true);
}

setInterval(showFreshness, 1000);
byId('course').addEventListener('change', loadCourse);
byId('wanted').addEventListener('submit', event => { event.preventDefault(); load(); });
for (const id of ['scope', 'days']) byId(id).addEventListener('change', load);
byId('sign-in').addEventListener('submit', async event => {
  event.preventDefault();
  const who = {email: byId('email').value, password: byId('password').value};
  byId('password').value = '';
  const answer = await fetchAsSeen('/api/login', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(who)})
    .catch(() => null);
  if (answer?.ok) {
    await load();
    byId('content').focus();
  } else {
    say('Email or password is wrong, or there were too many tries.', true);
  }
});
const redraw = () => { for (const chart of charts.values()) chart.draw?.(); };
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
addEventListener('resize', redraw);
load();
