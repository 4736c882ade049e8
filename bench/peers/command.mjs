// What the programs of the job queues share: `node PEER.mjs COMMAND ARGUMENTS..` prints a line of
// JSON.

// Numbers among the arguments are given as numbers.
export async function command(commands) {
  const [name, ...words] = process.argv.slice(2);
  if (!(name in commands)) throw new Error(`'${name}' is none of ${Object.keys(commands)}`);
  const given = words.map((word) => (/^\d+$/.test(word) ? Number(word) : word));
  console.log(JSON.stringify(await commands[name](...given) ?? {}));
  process.exit(0);
}

export const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

// Wall-clock time, which processes of one machine share, in whole microseconds.
export const nowUs = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

// How often the job of each id ran, and when it first began.
export class Tally {
  constructor(jobs) {
    this.runs = new Uint8Array(jobs);
    this.started_us = [];
    this.all = 0;
    this.missing = jobs;
    this.everyOne = new Promise((done) => { this.finish = done; });
  }

  count(id) {
    this.all += 1;
    this.runs[id] += 1;
    if (this.runs[id] !== 1) return;
    this.missing -= 1;
    if (this.missing === 0) this.finish();
  }

  start(id) {
    this.started_us[id] ??= nowUs();
    this.count(id);
  }

  ran() {
    return { all: this.all, once: this.runs.reduce((sum, runs) => sum + (runs === 1 ? 1 : 0), 0) };
  }
}

// How long `work` takes for so many jobs.
export async function timed(jobs, work) {
  const began = performance.now();
  await work();
  return { jobs, seconds: (performance.now() - began) / 1000 };
}

// From the start of the workers until each job has run and none is left in the store.
export async function drained(jobs, startWorkers, isEmpty) {
  const tally = new Tally(jobs);
  const rate = await timed(jobs, async () => {
    await startWorkers((id) => tally.count(id));
    await tally.everyOne;
    while (!await isEmpty()) await pause(2);
  });
  return { ...rate, ...tally.ran() };
}

// Workers that are idle before the first job comes: says `ready`, then when each job began.
export async function started(jobs, startWorkers) {
  const tally = new Tally(jobs);
  await startWorkers((id) => tally.start(id));
  await pause(500);
  console.log('ready');
  await tally.everyOne;
  await pause(500);  // in which a second run of a job would show
  return { started_us: tally.started_us, ...tally.ran() };
}

// Batches of [first, end) that cover `jobs`.
export function* batches(jobs, size = 1000) {
  for (let first = 0; first < jobs; first += size) {
    yield Array.from({ length: Math.min(size, jobs - first) }, (_, i) => first + i);
  }
}

// One job every so often; when each was committed.
export async function paced(jobs, everyMs, enqueue) {
  const committed_us = [];
  for (let id = 0; id < jobs; id += 1) {
    const next = pause(everyMs);
    await enqueue(id);
    committed_us.push(nowUs());
    await next;
  }
  return { committed_us };
}

// `jobs` transactions of which so many are under way at once, each with a connection of its own.
export async function transactions(pg, url, jobs, inFlight, enqueue) {
  const clients = Array.from({ length: inFlight }, () => new pg.Client(url));
  await Promise.all(clients.map((client) => client.connect()));
  return timed(jobs, () => Promise.all(clients.map(async (client, share) => {
    for (let id = share; id < jobs; id += inFlight) {
      await client.query('begin');
      await enqueue(client, id);
      await client.query('commit');
    }
  })));
}
