// The peers' server: Fastify, with better-sqlite3 or pg where rows are asked for.
//   node server.mjs PORT [sqlite:FILE | postgres://...]
import Fastify from 'fastify';
import { serveItems } from './items.mjs';

const [port, database] = process.argv.slice(2);
const app = Fastify({ logger: false });

const string = { type: 'string' };
const integer = { type: 'integer' };
const object = (properties) => ({ type: 'object', properties, required: Object.keys(properties) });

app.get('/hello', { schema: { response: { 200: object({ message: string }) } } }, async () => (
  { message: 'Hello, World! This is a response of 60 bytes.' }
));

const row = object({ id: integer, name: string, amount: integer });
const made = object({ id: integer });
const newRow = object({ name: string, amount: integer });

if (database?.startsWith('sqlite:')) {
  const { default: Database } = await import('better-sqlite3');
  const db = new Database(database.slice('sqlite:'.length));
  db.pragma('journal_mode = wal');
  db.pragma('synchronous = full');
  db.exec(`create table if not exists bench_rows (id integer primary key autoincrement, name text not null, amount integer not null);
           create table if not exists jobs (id integer primary key autoincrement, kind text not null, arguments text not null,
             priority integer not null, enqueued_at integer not null, run_at integer not null);
           create index if not exists jobs_for_claim on jobs (priority desc, run_at, id)`);
  const byId = db.prepare('select id, name, amount from bench_rows where id = ?');
  const insertRow = db.prepare('insert into bench_rows (name, amount) values (?, ?)');
  const insertJob = db.prepare('insert into jobs (kind, arguments, priority, enqueued_at, run_at) values (?, ?, 0, ?, ?)');
  const write = db.transaction((name, amount) => {
    const id = insertRow.run(name, amount).lastInsertRowid;
    const now = Date.now() * 1000;
    insertJob.run('rows.IndexItem', JSON.stringify({ id: Number(id) }), now, now);
    return Number(id);
  });
  app.get('/rows/:id', { schema: { response: { 200: row } } }, async (request, reply) => (
    byId.get(Number(request.params.id)) ?? reply.code(404).send({ message: 'no such row' })
  ));
  app.post('/rows', { schema: { body: newRow, response: { 201: made } } }, async (request, reply) => {
    reply.code(201);
    return { id: write(request.body.name, request.body.amount) };
  });
} else if (database) {
  const { default: pg } = await import('pg');
  pg.types.setTypeParser(20, Number);
  const pool = new pg.Pool({ connectionString: database, max: 16 });
  app.get('/rows/:id', { schema: { response: { 200: row } } }, async (request, reply) => {
    const found = await pool.query({ name: 'row', text: 'select id, name, amount from bench_rows where id = $1', values: [Number(request.params.id)] });
    return found.rows[0] ?? reply.code(404).send({ message: 'no such row' });
  });
  serveItems(app, pool);
}

await app.listen({ host: '127.0.0.1', port: Number(port) });
