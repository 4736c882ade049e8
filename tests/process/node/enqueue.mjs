// A program in another language: adds users and enqueues their welcome mails, each in a transaction of its own.
//
//     node enqueue.mjs URL EMAIL.. [--rollback EMAIL..]
import pg from "pg";

async function addUser(pool, email, end = "commit") {
    const client = await pool.connect();
    let broken; // a connection that cannot even roll back is not used again
    try {
        await client.query("begin");
        const { rows } = await client.query(
            "insert into users (name, email, password_hash, created_at) values ($1, $2, '', 0) returning id", ["Node", email]);
        const job = await client.query("select loadstone.enqueue($1, $2, $3) as id",
            ["accounts.SendWelcomeEmail", { user: Number(rows[0].id) }, { cause: "node", run_at: new Date() }]);
        await client.query(end); // after "rollback" there is neither user nor job
        return Number(job.rows[0].id);
    } catch (error) {
        await client.query("rollback").catch((failure) => { broken = failure; });
        throw error;
    } finally {
        client.release(broken);
    }
}

const [url, ...words] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: url });
let end = "commit";
for (const email of words) {
    if (email === "--rollback") {
        end = "rollback";
        continue;
    }
    console.log(JSON.stringify({ email, job: await addUser(pool, email, end), end }));
}
try {
    await pool.query("select loadstone.enqueue($1, $2)", ["accounts.SendWelcomeMail", {}]);
} catch (error) {
    console.log(JSON.stringify({ code: error.code, hint: error.hint })); // 42704, Is it accounts.SendWelcomeEmail?
}
await pool.end();
