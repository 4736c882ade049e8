// BullMQ on a Redis that was started for it.
//   node bullmq.mjs enqueue PORT N | drain PORT N | start PORT N | pace PORT N EVERY_MS
import { Queue, Worker } from 'bullmq';
import { batches, command, drained, paced, started, timed } from './command.mjs';

const name = 'noop';
const once = { removeOnComplete: true, removeOnFail: true };

// Connections of a worker must wait for as long as it takes.
const at = (port) => ({ host: '127.0.0.1', port, maxRetriesPerRequest: null });
const open = (port) => new Queue(name, { connection: at(port), defaultJobOptions: once });

async function workers(port, count) {
  const options = { connection: at(port), concurrency: 200 };
  const worker = new Worker(name, async (job) => count(job.data.id), options);
  worker.on('error', (error) => { throw error; });
  await worker.waitUntilReady();
}

async function isEmpty(queue) {
  const counts = await queue.getJobCounts('wait', 'active', 'delayed', 'prioritized', 'failed');
  return Object.values(counts).every((jobs) => jobs === 0);
}

await command({
  async enqueue(port, jobs) {
    const queue = open(port);
    await queue.waitUntilReady();
    return timed(jobs, async () => {
      for (const ids of batches(jobs)) {
        await queue.addBulk(ids.map((id) => ({ name, data: { id } })));
      }
    });
  },
  async drain(port, jobs) {
    const queue = open(port);
    return drained(jobs, (count) => workers(port, count), () => isEmpty(queue));
  },
  start: (port, jobs) => started(jobs, (count) => workers(port, count)),
  async pace(port, jobs, everyMs) {
    const queue = open(port);
    await queue.waitUntilReady();
    return paced(jobs, everyMs, (id) => queue.add(name, { id }));
  },
});
