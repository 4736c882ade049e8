// The routes of bench/mixes.sh on a pool of pg: the statements are those of load/app/items, prepared.
const string = { type: 'string' };
const integer = { type: 'integer' };
const object = (properties, required = Object.keys(properties)) => ({ type: 'object', properties, required });
const list = (items) => ({ type: 'array', items });
const answer = (schema, code = 200) => ({ response: { [code]: schema } });

const columns = 'id, name, category, price, quantity, score, ratings';
const fields = { id: integer, name: string, category: string, price: integer, quantity: integer, score: integer, ratings: integer };
const item = object(fields);
const name = { ...string, minLength: 1, maxLength: 200 };
const price = { ...integer, minimum: 0, maximum: 1e9 };
const page = object({ category: string, after: integer, limit: { ...integer, minimum: 1, maximum: 50, default: 10 } }, ['category']);
const items = object({ items: list(item), next_after: { ...integer, nullable: true } });

const statements = {
  byId: `select ${columns} from bench_items where id = $1`,
  ofCategory: `select ${columns} from bench_items where category = $1 and id > $2 order by id limit $3`,
  ofPrice: `select ${columns} from bench_items where price between $1 and $2 order by price, id limit 50`,
  update: `update bench_items set name = $2, price = $3, quantity = $4 where id = $1 returning ${columns}`,
  put: `insert into bench_items (id, name, category, price, quantity, score, ratings) values ($1, $2, $3, $4, $5, 0, 0)
    on conflict (id) do update set name = excluded.name, price = excluded.price, quantity = excluded.quantity returning ${columns}`,
};

export function serveItems(app, pool) {
  const rows = async (name, values) => (await pool.query({ name, text: statements[name], values })).rows;
  const missing = (reply) => reply.code(404).send({ message: 'no such item' });

  app.get('/items/:id', { schema: { params: object({ id: integer }), ...answer(item) } }, async (request, reply) => (
    (await rows('byId', [request.params.id]))[0] ?? missing(reply)
  ));
  app.get('/items', { schema: { querystring: page, ...answer(items) } }, async ({ query }) => {
    const found = await rows('ofCategory', [query.category, query.after ?? 0, query.limit + 1]);  // one more tells of a next page
    const shown = found.slice(0, query.limit);
    return { items: shown, next_after: found.length > query.limit ? shown.at(-1).id : null };
  });
  const change = { params: object({ id: integer }), body: object({ name, price, quantity: integer }), ...answer(item) };
  app.put('/items/:id', { schema: change }, async (request, reply) => (
    (await rows('update', [request.params.id, request.body.name, request.body.price, request.body.quantity]))[0] ?? missing(reply)
  ));
  const newItem = object({ id: integer, name, category: string, price, quantity: integer });
  app.post('/items', { schema: { body: newItem, ...answer(item, 201) } }, async ({ body }, reply) => {
    reply.code(201);
    return (await rows('put', [body.id, body.name, body.category, body.price, body.quantity]))[0];
  });
  const prices = { querystring: object({ least: integer, most: integer }), ...answer(items) };
  app.get('/priced', { schema: prices }, async ({ query }) => (
    { items: await rows('ofPrice', [query.least, query.most]), next_after: null }
  ));

  const sum = { body: object({ a: integer, b: integer }), ...answer(object({ sum: integer })) };
  app.post('/sum', { schema: sum }, async ({ body }) => ({ sum: body.a + body.b }));
  const offered = Array.from({ length: 50 }, (_, at) => at + 1).map((id) => (
    { id, name: `item${id}`, category: ['toys', 'food', 'book', 'home'][id % 4], price: id % 500 + 1, quantity: id % 20, score: id % 101, ratings: id % 1000 }
  ));
  const offer = {
    querystring: object({ count: { ...integer, minimum: 1, maximum: 50 }, times: integer }),
    ...answer(object({ items: list(object({ ...fields, total: integer })), count: integer })),
  };
  app.get('/offer', { schema: offer }, async ({ query: { count, times } }) => (
    { items: offered.slice(0, count).map((one) => ({ ...one, total: one.price * one.quantity * times })), count }
  ));
}
