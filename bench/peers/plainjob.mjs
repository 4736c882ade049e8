// plainjob on better-sqlite3: taking a job and ending it are a commit each, here a durable one.
//   node plainjob.mjs prepare FILE | enqueue FILE N | drain FILE N
import Database from 'better-sqlite3';
import { better, defineQueue, defineWorker, JobStatus } from 'plainjob';
import { batches, command, drained, timed } from './command.mjs';

const type = 'noop';
const logger = { error: console.error, warn: console.error, info() {}, debug() {} };

function open(file) {
  const connection = better(new Database(file));
  const queue = defineQueue({ connection, logger });
  connection.pragma('synchronous = FULL');  // defineQueue has set NORMAL
  return queue;
}

await command({
  prepare: (file) => { open(file); },
  async enqueue(file, jobs) {
    const queue = open(file);
    return timed(jobs, () => {
      for (const ids of batches(jobs)) queue.addMany(type, ids.map((id) => ({ id })));
    });
  },
  async drain(file, jobs) {
    const queue = open(file);
    const left = () => queue.countJobs({ type, status: JobStatus.Pending })
      + queue.countJobs({ type, status: JobStatus.Processing });
    return drained(jobs, (count) => {
      const worker = defineWorker(type, (job) => count(JSON.parse(job.data).id), { queue, logger });
      worker.start();
    }, () => left() === 0);
  },
});
