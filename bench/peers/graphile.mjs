// graphile-worker, batched as worker.graphile.org/docs/performance does for its best rate; for
// latency without the batches.
//   node graphile.mjs prepare URL | enqueue URL N | each URL N IN_FLIGHT
//                   | drain URL N | start URL N | pace URL N EVERY_MS
import pg from 'pg';
import { Logger, makeWorkerUtils, run, runMigrations } from 'graphile-worker';
import { batches, command, drained, paced, started, timed, transactions } from './command.mjs';

const logger = new Logger(() => (level, message) => {
  if (level === 'error') console.error(message);
});
const concurrency = { concurrentJobs: 24, maxPoolSize: 25 };
const batching = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

function workers(connectionString, options, count) {
  return run({
    preset: { worker: { connectionString, logger, ...concurrency, ...options } },
    taskList: { noop: async (payload) => count(payload.id) },
    noHandleSignals: true,
    parsedCronItems: [],
  });
}

async function query(url, text) {
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows;
}

await command({
  async prepare(url) {
    await query(url, 'drop schema if exists graphile_worker cascade');
    await runMigrations({ preset: { worker: { connectionString: url, logger } } });
  },
  async enqueue(url, jobs) {
    const utils = await makeWorkerUtils({ connectionString: url, logger });
    return timed(jobs, async () => {
      for (const ids of batches(jobs)) {
        await utils.addJobs(ids.map((id) => ({ identifier: 'noop', payload: { id } })));
      }
    });
  },
  async each(url, jobs, inFlight) {
    const statement = { name: 'add', text: "select graphile_worker.add_job('noop', $1::json)" };
    return transactions(pg, url, jobs, inFlight,
      (client, id) => client.query({ ...statement, values: [{ id }] }));
  },
  async drain(url, jobs) {
    const client = new pg.Client(url);
    await client.connect();
    const left = 'select exists (select from graphile_worker._private_jobs) as left';
    return drained(jobs, (count) => workers(url, batching, count),
      async () => !(await client.query(left)).rows[0].left);
  },
  start: (url, jobs) => started(jobs, (count) => workers(url, {}, count)),
  async pace(url, jobs, everyMs) {
    const utils = await makeWorkerUtils({ connectionString: url, logger });
    return paced(jobs, everyMs, (id) => utils.addJob('noop', { id }));
  },
});
