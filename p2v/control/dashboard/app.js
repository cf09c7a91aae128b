// SPDX-License-Identifier: GPL-3.0-or-later
// The dashboard of p2vd. All that it shows comes from the API, and goes into the page as text, never as markup: names,
// plans and logs hold what strangers' machines said.
"use strict";

const $ = (id) => document.getElementById(id);
const ACTIONS = {
  approve: (job) => job.status === "held",
  hold: (job) => job.status === "ready" && job.stage !== "proven",
  retry: (job) => job.status === "failed" || job.status === "cancelled",
  cancel: (job) => (job.status === "ready" || job.status === "held") && job.stage !== "proven",
  rollback: (job) => !job.wish && job.stage !== "waiting" && job.stage !== "received",
};
let token = "";
let chosen = "";
let shown = ""; // what the job's section was drawn from
let listening = false;

function node(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

async function ask(path, options = {}) {
  const used = token;
  const answer = await fetch(path, {...options, headers: used ? {Authorization: `Bearer ${used}`} : {}});
  if (answer.status === 401) {
    // Not for what was asked before somebody signed in.
    if (used === token) leave();
    throw new Error("Sign in with a token.");
  }
  if (!answer.ok) throw new Error((await answer.json()).text);
  return answer;
}

const json = async (path) => (await ask(path)).json();
// A file that is not there yet is no trouble.
const file = async (job, name) => ask(`/v1/jobs/${job.id}/files/${name}`).catch(() => null);
const noun = async (job, name) => (await file(job, name))?.json();

function what(job) {
  if (job.wish) return `${job.wish} is asked for`;
  if (job.running) return `${job.step || "runs"} on ${job.owner}`;
  if (job.reason) return job.reason;
  if (job.status === "ready" && job.stage === "waiting") return "its agent has not sent all";
  return job.status === "ready" && job.stage !== "proven" ? `waits for its turn, place ${job.place || "?"}` : "";
}

function drawRows(jobs) {
  $("none").hidden = jobs.length > 0;
  $("rows").replaceChildren(...jobs.map((job) => {
    const row = node("tr", undefined, {class: job.name === chosen ? "pick chosen" : "pick", tabindex: 0});
    const last = node("td", what(job));
    if (job.running && job.total) last.append(" ", node("progress", "", {max: job.total, value: job.done}));
    row.append(node("td", job.id), node("td", job.name), node("td", job.state, {class: `state ${job.state}`}), last);
    row.addEventListener("click", () => choose(job.name));
    row.addEventListener("keydown", (event) => event.key === "Enter" && choose(job.name));
    return row;
  }));
}

function diffOf(text) {
  const pre = node("pre");
  for (const line of text.split("\n"))
    pre.append(node("span", line + "\n", {class: line.startsWith("+") ? "plus" : line.startsWith("-") ? "minus" : ""}));
  return pre;
}

function folded(title, fill) {
  const details = node("details");
  details.append(node("summary", title));
  details.addEventListener("toggle", async () => {
    if (details.open && details.children.length === 1) details.append(await fill());
  });
  return details;
}

function tableOf(rows) {
  const body = node("tbody");
  for (const cells of rows) {
    const row = node("tr");
    row.append(...cells.map((cell) => node("td", cell)));
    body.append(row);
  }
  const table = node("table");
  table.append(body);
  return table;
}

async function act(job, action) {
  if (action === "rollback" && !confirm(`Bring the disks of ${job.name} back as they were received?`)) return;
  try {
    await ask(`/v1/jobs/${job.id}/actions`, {method: "POST", body: JSON.stringify({action})});
    trouble("");
  } catch (error) {
    trouble(error.message);
  }
  await refresh();
}

function drawButtons(job) {
  const line = node("p");
  for (const [action, allowed] of Object.entries(ACTIONS)) {
    if (!allowed(job)) continue;
    const button = node("button", action, {"data-action": action});
    button.addEventListener("click", () => act(job, action));
    line.append(button);
  }
  return line;
}

async function drawPlan(job) {
  const plan = await noun(job, "plan.json");
  if (!plan) return [];
  return [node("h2", `Assessment${plan.grade ? `: ${plan.grade}` : ""}`),
    ...(plan.media ? [node("p", `Drivers for Windows: ${plan.media}`)] : []),
    ...(plan.blockers || []).map((text) => node("p", `It cannot be converted: ${text}`, {class: "failed"})),
    ...(plan.warnings || []).map((text) => node("p", text, {class: "held"})),
    folded(`${(plan.steps || []).length} steps`, () => tableOf(plan.steps.map((s) => [s.op, s.path || "", s.reason || ""])))];
}

async function drawChanges(job) {
  const changes = await noun(job, "changes.json");
  if (!changes) return [];
  const list = (changes.changes || []).map((change) => folded(`${change.action} ${change.path}`, async () => {
    const box = node("div");
    box.append(node("p", change.reason || ""));
    const diff = change.diff && await file(job, change.diff);
    box.append(diff ? diffOf(await diff.text()) : node("p", change.detail || ""));
    return box;
  }));
  return [node("h2", `${list.length} changes in the guest`), ...list];
}

async function drawProof(job) {
  const proof = await noun(job, "proof.json");
  if (!proof) return [];
  const parts = [node("h2", "Proof"), node("p", `${proof.verdict}: ${proof.reason || ""}`, {class: `state ${proof.verdict}`}),
    tableOf((proof.checks || []).map((c) => [c.ok ? "yes" : c.required ? "no" : "no (not required)", c.name, c.evidence || ""]))];
  const screen = proof.screenshot && await file(job, proof.screenshot);
  if (screen) parts.push(node("img", undefined, {src: URL.createObjectURL(await screen.blob()), alt: "the screen at the end"}));
  if (proof.serial_log) parts.push(folded("serial log", async () =>
    node("pre", await (await file(job, proof.serial_log))?.text() || "")));
  return parts;
}

// All of it: an answer has so many events and no more.
async function historyOf(job) {
  const events = [];
  for (let more = true; more;) {
    const part = await json(`/v1/jobs/${job.id}/events?after=${events.at(-1)?.id || 0}`);
    events.push(...part.events || []);
    more = part.more;
  }
  return events;
}

async function drawHistory(job) {
  const events = await historyOf(job);
  return [node("h2", "History"),
    tableOf(events.map((e) => [new Date(e.at_s * 1000).toLocaleString(), e.who, e.what, e.text || ""])),
    folded("what the programs said", async () => node("pre", await (await file(job, "job.log"))?.text() || ""))];
}

async function drawJob(job) {
  $("job").hidden = !job;
  // Drawn anew only where something has happened: what is unfolded stays so.
  const state = job ? `${job.id} ${job.state} ${job.reason} ${job.changed_s} ${job.wish}` : "";
  if (state === shown) return;
  shown = state;
  if (!job) return;
  const parts = [node("h2", `${job.name}: ${job.state}`), node("p", what(job)), drawButtons(job)];
  for (const draw of [drawPlan, drawChanges, drawProof, drawHistory]) parts.push(...await draw(job));
  if (shown === state) $("job").replaceChildren(...parts);
}

function choose(name) {
  chosen = name;
  location.hash = `job=${encodeURIComponent(name)}`;
  refresh();
}

async function refresh() {
  const [server, list] = await Promise.all([json("/v1/server"), json("/v1/jobs")]);
  const jobs = list.jobs || [];
  $("server").textContent = `${server.host}, ${(server.free_bytes / 2 ** 30).toFixed(0)} GiB free`;
  $("jobs").hidden = false;
  drawRows(jobs);
  await drawJob(jobs.find((job) => job.name === chosen));
}

function leave() {
  token = "";
  sessionStorage.removeItem("token");
  for (const id of ["jobs", "job", "leave"]) $(id).hidden = true;
  $("login").hidden = false;
}

// fetch and not EventSource: that one cannot show a token.
async function listen() {
  const answer = await ask("/v1/stream");
  const reader = answer.body.getReader();
  for (;;) {
    const {done} = await reader.read();
    if (done) return;
    await refresh();
  }
}

async function enter() {
  try {
    await refresh();
    $("login").hidden = true;
    $("leave").hidden = !token;
    trouble("");
  } catch (error) {
    trouble(error.message);
    return;
  }
  if (listening) return;
  listening = true;
  // Progress is no event: it is looked at. A server that went away comes back.
  setInterval(() => !$("jobs").hidden && refresh().then(() => trouble(""), (error) => trouble(error.message)), 3000);
  for (;;) {
    await listen().catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("token", token);
  $("token").value = "";
  enter();
});
$("leave").addEventListener("click", leave);

// "#token=..." signs in and "#job=NAME" chooses; what is behind # never leaves the browser.
const given = new URLSearchParams(location.hash.slice(1));
chosen = given.get("job") || "";
token = given.get("token") || sessionStorage.getItem("token") || "";
if (given.has("token")) {
  sessionStorage.setItem("token", token);
  history.replaceState(null, "", chosen ? `#job=${encodeURIComponent(chosen)}` : "/");
}
enter();
