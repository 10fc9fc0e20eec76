// Microsoft's own JavaScript client against the test tenant: paging over a delta feed, batches, downloads, upload sessions.
// Usage: npm ci && M365SIM=path/to/m365sim node run_graph_client.mjs
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const program = process.env.M365SIM ?? path.join(here, "../../build/tests/simulator/m365sim");

if (!process.env.M365SIM_STARTED) {
    // Node reads extra CAs at its start only: start the tenant, then this program again with its CA.
    const work = fs.mkdtempSync(path.join(os.tmpdir(), "graph-client-"));
    const sim = spawn(program, ["--dir", path.join(work, "sim"), "--users", "2", "--sites", "1", "--specials", "0",
                                "--files-per-drive", "300", "--file-size-max", "20000"]);
    sim.stderr.pipe(process.stderr);
    sim.on("error", (e) => { console.error(`graph client: cannot start ${program}: ${e.message}`); process.exit(2); });
    const { value: line } = await readline.createInterface({ input: sim.stdout })[Symbol.asyncIterator]().next();
    const run = spawnSync(process.execPath, [fileURLToPath(import.meta.url)], {
        stdio: "inherit",
        env: { ...process.env, M365SIM_STARTED: line, NODE_EXTRA_CA_CERTS: JSON.parse(line).ca_file },
    });
    sim.kill();
    fs.rmSync(work, { recursive: true });
    process.exit(run.status ?? 1);
}

const { Client, PageIterator, BatchRequestContent, BatchResponseContent, OneDriveLargeFileUploadTask, LargeFileUploadTask,
        FileUpload } = await import("@microsoft/microsoft-graph-client");

const sim = JSON.parse(process.env.M365SIM_STARTED);
// The graph by number and the file host by name: the client sends its token to the hosts it is told, by host alone.
const base = sim.graph.replace("localhost", "127.0.0.1");
const admin = async (what, body) => (await fetch(`${sim.admin}/${what}`, body && { method: "POST", body: JSON.stringify(body) })).json();

const form = new URLSearchParams({
    grant_type: "client_credentials", client_id: sim.client_id, scope: "https://graph.microsoft.com/.default",
    client_secret: fs.readFileSync(sim.client_secret_file, "utf8"),
});
const token = await (await fetch(`${sim.login}/${sim.tenant}/oauth2/v2.0/token`, { method: "POST", body: form })).json();
assert.equal(token.token_type, "Bearer");
const client = Client.init({
    baseUrl: `${base}/`, defaultVersion: "v1.0", customHosts: new Set(["127.0.0.1"]),
    authProvider: (done) => done(null, token.access_token),
});
const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const step = (text) => console.log(`graph client: ${text}`);

const drive = await client.api("/users/ada@contoso.example/drive").get();
const expected = async () => (await (await fetch(`${sim.admin}/expected?drive=${drive.id}`)).text()).trim().split("\n").map((l) => JSON.parse(l));

async function round(link) {
    const items = new Map();
    const iterator = new PageIterator(client, await client.api(link).get(), (i) => { items.set(i.id, i); return true; });
    await iterator.iterate();
    return { items, link: iterator.getDeltaLink() };
}

step("PageIterator over the delta feed sees every item");
let { items, link } = await round(`/drives/${drive.id}/root/delta?$top=50`);
let want = await expected();
assert.equal(items.size, want.length + 1);
for (const w of want) {
    assert.equal(items.get(w.id).name, w.name);
    assert.equal(items.get(w.id).parentReference.id, w.parent_id);
}
console.log(`  ${items.size} items`);

step("the next rounds bring exactly the changes");
const state = items;
for (let seed = 1; seed <= 5; ++seed) {
    await admin("change", { seed, count: 25, drive: drive.id });
    const next = await round(link);
    for (const [id, i] of next.items) i.deleted ? state.delete(id) : state.set(id, i);
    link = next.link;
    want = await expected();
    assert.equal(state.size, want.length + 1);
    for (const w of want) assert.deepEqual([state.get(w.id).name, state.get(w.id).parentReference.id], [w.name, w.parent_id]);
}
assert.equal((await round(link)).items.size, 0);

step("content by download URL and by /content");
for (const w of want.filter((x) => x.type === "file" && x.size > 0).slice(0, 10)) {
    const item = await client.api(`/drives/${drive.id}/items/${w.id}`).get();
    const direct = Buffer.from(await (await fetch(item["@microsoft.graph.downloadUrl"])).arrayBuffer());
    assert.equal(sha256(direct), w.sha256);
    const stream = await client.api(`/drives/${drive.id}/items/${w.id}/content`).responseType("arraybuffer").get();
    assert.equal(sha256(Buffer.from(stream)), w.sha256);
}

step("a batch");
// The client takes the path of these URLs as the part's address, which has no version in a batch.
const wanted = want.slice(0, 15);
const batch = new BatchRequestContent(wanted.map((w, n) => ({
    id: String(n), request: new Request(`${base}/drives/${drive.id}/items/${w.id}`, { method: "GET" }),
})));
const content = await batch.getContent();
const answers = new BatchResponseContent(await client.api("/$batch").post(content));
for (let n = 0; n < wanted.length; ++n) {
    const one = answers.getResponseById(String(n));
    assert.equal(one.status, 200);
    assert.equal((await one.json()).name, wanted[n].name);
}

step("OneDriveLargeFileUploadTask");
const big = randomBytes(7_000_001);
const task = await OneDriveLargeFileUploadTask.createTaskWithFileObject(
    client, new FileUpload(big, "big file.bin", big.length), { path: "/uploads", fileName: "big file.bin", rangeSize: 327680 * 4 });
const uploaded = await task.upload();
const found = await client.api(`/me/drive/root:/uploads/big file.bin`).get();
assert.equal(found.size, big.length);
assert.equal(uploaded.responseBody.id, found.id);
const back = Buffer.from(await (await fetch(found["@microsoft.graph.downloadUrl"])).arrayBuffer());
assert.equal(sha256(back), sha256(big));

step("LargeFileUploadTask with a session of its own");
const session = await LargeFileUploadTask.createUploadSession(client, `/drives/${drive.id}/root:/uploads/second.bin:/createUploadSession`,
    { item: { "@microsoft.graph.conflictBehavior": "replace" } });
const second = new LargeFileUploadTask(client, new FileUpload(big.subarray(0, 1_000_000), "second.bin", 1_000_000), session, { rangeSize: 327680 });
assert.equal((await second.upload()).responseBody.size, 1_000_000);

step("the token stayed with the graph");
const manners = await admin("manners");
assert.equal(manners.rules.authorization_on_file_host, undefined);
assert.equal(manners.rules.link_altered, undefined);
console.log("graph client: all good");
