// Shows the emulator's counters, calls and records, and asks again every two seconds while somebody looks.

const EVERY_MS = 2000;
const CALLS_KEPT = 300;
const RECORDS_SHOWN = 50;

const find = (selector) => document.querySelector(selector);
const status = find("#status");
let calls = [];
let newest = 0;
let projectPath = /^$/;
let busy = false;

function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

async function ask(name, method = "GET", body = undefined) {
  const answer = await fetch(`/_emulator/${name}`, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error_msg ?? `status ${answer.status}`);
  return value;
}

function say(text, bad = false) {
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("bad", bad);
}

function rows(selector, cells, empty) {
  const body = find(`${selector} tbody`);
  const made = cells.map((row) => {
    const line = document.createElement("tr");
    line.append(...row.map(([text, className]) => make("td", String(text ?? ""), className ?? "")));
    return line;
  });
  if (!made.length) {
    const nothing = make("td", empty, "empty");
    nothing.colSpan = find(`${selector} thead tr`).cells.length;
    const line = document.createElement("tr");
    line.append(nothing);
    made.push(line);
  }
  body.replaceChildren(...made);
}

function showStats(stats) {
  const { world } = stats;
  projectPath = new RegExp(`^(/v1)?/${world.project_id}/`);
  const facts = {
    time: `${world.now.slice(0, 19).replace("T", " ")} UTC`,
    region: world.region,
    project: world.project_id,
    seed: world.seed,
    speed: `× ${world.speed}`,
    "rate table": world.limits ? "on" : "off",
  };
  find("#world").replaceChildren(
    ...Object.entries(facts).map(([name, value]) => {
      const pair = document.createElement("div");
      pair.append(make("dt", name), make("dd", String(value)));
      return pair;
    }),
  );
  const jobs = Object.entries(stats.jobs).filter(([, count]) => count);
  const totals = [
    ["calls", stats.calls],
    ["throttled", stats.throttles],
    ...Object.entries(stats.totals),
    ...jobs.map(([state, count]) => [`jobs ${state}`, count]),
    ["uploads", stats.uploads.puts],
    ["MB uploaded", (stats.uploads.bytes / 1e6).toFixed(1)],
    ...Object.entries(stats.callbacks).map(([name, count]) => [`callbacks ${name}`, count]),
  ];
  find("#totals").replaceChildren(
    ...totals.map(([name, count]) => {
      const tile = document.createElement("li");
      tile.append(make("b", String(count)), make("span", name));
      return tile;
    }),
  );
  const twice = Object.entries(stats.duplicates)
    .flatMap(([kind, names]) => Object.entries(names).map(([name, count]) => `${kind} ${name}: ${count}`));
  const duplicates = find("#duplicates");
  duplicates.hidden = !twice.length;
  duplicates.textContent = `More than once: ${twice.slice(0, 20).join("; ")}${twice.length > 20 ? " …" : ""}`;
  rows(
    "#counts",
    Object.entries(stats.operations).map(([name, row]) => [
      [name, "mono"],
      ...["calls", "throttled", "refused", "faults"].map((kind) => [row[kind], "number"]),
    ]),
    "Nothing was called yet.",
  );
  const kind = find("#kind");
  for (const [name, count] of Object.entries(stats.records)) {
    let option = kind.querySelector(`option[value="${CSS.escape(name)}"]`);
    if (!option) {
      option = new Option(name, name);
      kind.append(option);
    }
    option.textContent = `${name} (${count})`;
  }
}

function showCalls() {
  const filter = new FormData(find("#filter"));
  if (filter.get("pause")) return;
  const operation = filter.get("operation").trim().toLowerCase();
  const wanted = filter.get("status").trim();
  const shown = calls.filter(
    (call) => call.operation.toLowerCase().includes(operation) && String(call.status).startsWith(wanted),
  );
  rows(
    "#calls",
    shown.reverse().map((call) => [
      [call.at.slice(11, 23)],
      [call.operation, "mono short-text"],
      [`${call.method} ${call.target.replace(projectPath, "…/")}`, "mono"],
      [call.status || "cut", call.status ? `number s${String(call.status)[0]}` : "number cut"],
      [call.error_code, "mono short-text"],
      [[call.fault, call.delivery].filter(Boolean).join(", ")],
    ]),
    calls.length ? "No call fits." : "Nothing was called yet.",
  );
}

function showFaults(plan) {
  rows(
    "#faults",
    plan.rules.map((rule) => {
      const { on, do: what, seen, hit, ...which } = rule;
      // A probability and a delay of one are what a rule has without being told.
      const said = Object.entries(which).filter(([name, value]) => value !== 1 || !["probability", "seconds"].includes(name));
      const shown = said.map(([name, value]) => `${name} ${value}`).join(", ") || "all";
      return [[on, "mono"], [what, "mono"], [shown], [seen, "number"], [hit, "number"]];
    }),
    "Nothing goes wrong on purpose.",
  );
}

async function showRecords() {
  const kind = find("#kind").value;
  if (!kind) return;
  const state = await ask(`state?kind=${encodeURIComponent(kind)}&limit=${RECORDS_SHOWN}`);
  const list = find("#records");
  const open = new Set([...list.querySelectorAll("details[open]")].map((item) => item.dataset.id));
  const records = state[kind].reverse();
  list.replaceChildren(
    ...records.map((record) => {
      const line = document.createElement("li");
      const details = document.createElement("details");
      details.dataset.id = record.id;
      details.open = open.has(record.id);
      const name = record.name ?? record.asset_name ?? "";
      const summary = make("summary", "", "mono");
      summary.textContent = [record.id, name, record.state].filter(Boolean).join(" · ");
      details.append(summary, make("pre", JSON.stringify(record, null, 2)));
      line.append(details);
      return line;
    }),
  );
  if (!records.length) list.append(make("li", "None yet.", "empty"));
}

async function refresh() {
  if (busy) return;
  busy = true;
  try {
    const [stats, journal, plan] = await Promise.all([
      ask("stats"),
      ask(`journal?limit=${CALLS_KEPT}&since=${newest}`),
      ask("faults"),
    ]);
    calls = (journal.complete ? calls : []).concat(journal.requests).slice(-CALLS_KEPT);
    newest = calls.at(-1)?.number ?? 0;
    showStats(stats);
    showCalls();
    showFaults(plan);
    if (!find("#records").contains(document.activeElement)) await showRecords();
    say("Live");
  } catch (error) {
    say(`The emulator does not answer: ${error.message}`, true);
  } finally {
    busy = false;
  }
}

async function act(name, method, body) {
  try {
    await ask(name, method, body);
  } catch (error) {
    say(error.message, true);
    return;
  }
  await refresh();
}

async function fillFaultForm() {
  const { places } = await ask("faults/possible");
  const form = find("#fault");
  form.elements.on.append(...Object.keys(places).map((place) => new Option(place, place)));
  const offer = () => {
    form.elements.do.replaceChildren(...places[form.elements.on.value].map((fault) => new Option(fault, fault)));
  };
  form.elements.on.addEventListener("change", offer);
  offer();
  find("#operations").append(...Object.keys(places).map((place) => new Option(place)));
}

function addFault(form) {
  const rule = {};
  for (const [name, text] of new FormData(form)) {
    if (text === "") continue;
    rule[name] = ["on", "do", "code"].includes(name) ? text : Number(text);
  }
  return act("faults", "PATCH", { rules: [rule] });
}

for (const button of document.querySelectorAll("[data-advance]")) {
  button.addEventListener("click", () => act("advance", "POST", { seconds: Number(button.dataset.advance) }));
}
find("#advance").addEventListener("submit", (event) => {
  event.preventDefault();
  act("advance", "POST", { seconds: Number(event.target.elements.seconds.value) });
});
find("#reset").addEventListener("click", () => find("#reset-dialog").showModal());
find("#reset-dialog").addEventListener("close", (event) => {
  if (event.target.returnValue === "reset") act("reset", "POST");
  event.target.returnValue = "";
});
find("#fault").addEventListener("submit", (event) => {
  event.preventDefault();
  addFault(event.target);
});
find("#end-faults").addEventListener("click", () => act("faults", "DELETE"));
find("#filter").addEventListener("input", showCalls);
find("#filter").addEventListener("submit", (event) => event.preventDefault());
find("#kind").addEventListener("change", showRecords);

fillFaultForm().catch((error) => say(error.message, true));
refresh();
setInterval(() => { if (!document.hidden) refresh(); }, EVERY_MS);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
