// pg-boss, with batches, several workers and, for latency, LISTEN and NOTIFY.
//   node pg_boss.mjs prepare URL | enqueue URL N | each URL N IN_FLIGHT
//                  | drain URL N | start URL N | pace URL N EVERY_MS
import pg from 'pg';
import { PgBoss } from 'pg-boss';
import { batches, command, drained, paced, started, timed, transactions } from './command.mjs';

const queue = 'noop';
const polling = { pollingIntervalSeconds: 0.5 };  // the least it takes
const batching = { ...polling, batchSize: 5000, localConcurrency: 2, burstWhenBatchFull: true };

async function boss(url, options = {}) {
  const made = new PgBoss({ connectionString: url, schedule: false, ...options });
  made.on('error', (error) => { throw error; });
  await made.start();
  return made;
}

function work(from, options, count) {
  return from.work(queue, options, async (jobs) => { for (const job of jobs) count(job.data.id); });
}

await command({
  async prepare(url) {
    const client = new pg.Client(url);
    await client.connect();
    await client.query('drop schema if exists pgboss cascade');
    await client.end();
    await (await boss(url)).createQueue(queue);
  },
  async enqueue(url, jobs) {
    const to = await boss(url);
    return timed(jobs, async () => {
      for (const ids of batches(jobs)) await to.insert(queue, ids.map((id) => ({ data: { id } })));
    });
  },
  async each(url, jobs, inFlight) {
    const to = await boss(url);
    return transactions(pg, url, jobs, inFlight, (client, id) => {
      const db = { executeSql: (text, values) => client.query(text, values) };
      return to.send(queue, { id }, { db });
    });
  },
  async drain(url, jobs) {
    const from = await boss(url);
    const left = `select exists (select from pgboss.job
      where name = '${queue}' and state < 'completed') as left`;
    return drained(jobs, (count) => work(from, batching, count),
      async () => !(await from.getDb().executeSql(left)).rows[0].left);
  },
  async start(url, jobs) {
    // Only here: a NOTIFY in each transaction makes enqueuing slower.
    const first = await boss(url);
    await first.updateQueue(queue, { notify: true });
    await first.stop();
    const from = await boss(url, { useListenNotify: true });
    return started(jobs, (count) => work(from, { ...polling, localConcurrency: 4 }, count));
  },
  async pace(url, jobs, everyMs) {
    const to = await boss(url);
    return paced(jobs, everyMs, (id) => to.send(queue, { id }));
  },
});
