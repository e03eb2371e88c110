// The dashboard: reads /api/v1, redraws when /events says that something happened, and posts what its buttons say.
// Everything that comes from a run is put in as text, never as markup.

const view = document.getElementById("view");
const live = document.getElementById("live");
const OVER = new Set(["succeeded", "failed", "cancelled", "skipped"]);
const STATUSES = ["created", "running", "paused", "cancelling", "succeeded", "failed", "cancelled"];
// What may be done with a run in a status; each is a verb of the API.
const VERBS = {
  created: ["pause", "cancel"], running: ["pause", "cancel"], paused: ["resume", "retry", "cancel"], failed: ["retry"],
};
const PAGE = 50;
const REDRAW_MS = 500;

// ---- elements: described as data, then merged into the page so that a playing video goes on playing

function h(tag, attributes = {}, ...children) {
  return { tag, attributes, children: children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false) };
}

function create(node) {
  if (typeof node !== "object") return document.createTextNode(String(node));
  const element = document.createElement(node.tag);
  merge(element, node);
  // Afterwards open or closed is the reader's choice.
  if (node.attributes.open) element.open = true;
  return element;
}

function fits(element, node) {
  if (typeof node !== "object") return element.nodeType === Node.TEXT_NODE;
  return element.nodeType === Node.ELEMENT_NODE && element.localName === node.tag
    && (element.dataset.key ?? "") === (node.attributes["data-key"] ?? "");
}

function merge(element, node) {
  for (const { name } of [...element.attributes]) {
    if (!(name in node.attributes) && !(element.localName === "video" && name === "class")) element.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(node.attributes)) {
    if (name === "open") continue;
    if (typeof value === "function") element[name] = value;
    else if (name === "value" && element.localName === "select") queueMicrotask(() => { element.value = value; });
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }
  node.children.forEach((child, index) => {
    let current = element.childNodes[index];
    if (current && !fits(current, child)) {
      // A keyed element may only have moved.
      const key = child.attributes?.["data-key"];
      const moved = key && [...element.childNodes].slice(index + 1).find((other) => fits(other, child));
      if (moved) element.insertBefore(moved, current);
      else element.insertBefore(create(child), current);
      current = element.childNodes[index];
    }
    if (!current) element.append(create(child));
    else if (typeof child !== "object") { if (current.data !== String(child)) current.data = String(child); }
    else merge(current, child);
  });
  while (element.childNodes.length > node.children.length) element.lastChild.remove();
}

function show(title, ...children) {
  document.title = `${title} · MetaStudio Orchestrator`;
  merge(view, h("main", { id: "view" }, ...children));
}

// ---- small parts

const time = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

function took(from, to) {
  if (!from) return "";
  const seconds = Math.max(0, Math.round(((to ? new Date(to) : new Date()) - new Date(from)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

const status = (value) => h("span", { class: `status ${value}` }, value);

function progress(run) {
  const [done, total, what] = run.children_total
    ? [run.children_done, run.children_total, "runs"]
    : [run.steps_done, run.steps_total, "steps"];
  return h("span", { class: "progress small quiet" },
    h("progress", { max: total || 1, value: done, "aria-label": `${done} of ${total} ${what} done` }),
    `${done}/${total} ${what}`);
}

function failure(error) {
  if (!error) return null;
  return h("div", { class: "error small" },
    h("p", {}, error.code ? h("code", {}, error.code) : null, error.code ? " " : null, error.message),
    error.hint ? h("p", { class: "hint quiet" }, error.hint) : null);
}

function card(run) {
  const why = run.error && OVER.has(run.status) ? run.error.message : run.reason;
  return h("li", { "data-key": run.id },
    h("a", { class: "card", href: `#/runs/${encodeURIComponent(run.id)}` },
      status(run.status),
      h("span", { class: "name" }, run.name || run.id, " ", h("span", { class: "quiet small" }, run.pipeline)),
      progress(run),
      h("span", { class: "when small quiet", title: time.format(new Date(run.created_at)) }, took(run.created_at, run.finished_at)),
      h("span", { class: "why small quiet" }, why || "")));
}

function values(title, mapping) {
  const entries = Object.entries(mapping);
  if (!entries.length) return null;
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));
  return h("details", { "data-key": title, open: title === "Outputs" }, h("summary", {}, title),
    h("dl", {}, entries.map(([name, value]) => [h("dt", {}, name), h("dd", { class: "mono" }, text(value))])));
}

function saved(run, step) {
  const path = step.status === "succeeded" && typeof step.outputs.path === "string" ? step.outputs.path : "";
  if (!path) return null;
  const src = `/api/v1/runs/${encodeURIComponent(run.id)}/files/${encodeURIComponent(step.id)}`;
  const name = path.split("/").pop();
  const suffix = name.split(".").pop().toLowerCase();
  const shown = { "data-key": src, src };
  return [
    ["mp4", "webm", "mov"].includes(suffix)
      ? h("video", { ...shown, controls: "", preload: "metadata", playsinline: "", onloadedmetadata: (event) => event.target.classList.toggle("tall", event.target.videoHeight > event.target.videoWidth) })
      : ["png", "jpg", "jpeg", "gif"].includes(suffix) ? h("img", { ...shown, class: "output", alt: name })
        : ["mp3", "wav"].includes(suffix) ? h("audio", { ...shown, controls: "", preload: "none" }) : null,
    h("p", { class: "small" }, h("a", { href: src, download: name }, `Save ${name}`)),
  ];
}

// ---- verbs: a button posts, and what comes of it is seen when the page is drawn again

const posted = { path: "", underWay: "", refused: "" };

async function act(path, verb, body) {
  Object.assign(posted, { path, underWay: verb, refused: "" });
  draw();
  try {
    const answer = await fetch(`${path}/${verb}`, {
      method: "POST", headers: { Accept: "application/json", "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    if (!answer.ok) {
      const { error } = await answer.json();
      posted.refused = `${error.message} ${error.hint ?? ""}`;
    }
  } catch (error) {
    posted.refused = `It could not be asked for: ${error.message}`;
  }
  posted.underWay = "";
  redraw();
}

function button(path, verb, label, body, question) {
  const busy = posted.path === path && posted.underWay !== "";
  return h("button", {
    type: "button", class: verb, "data-key": label, disabled: busy ? "" : null,
    onclick: () => { if (!question || confirm(question)) act(path, verb, body); },
  }, label);
}

function verbs(run) {
  const path = `/api/v1/runs/${encodeURIComponent(run.id)}`;
  // Rows that failed can be taken up while others are under way.
  const offered = [...(VERBS[run.status] ?? [])];
  if (run.children_paused && !offered.includes("resume") && !OVER.has(run.status)) offered.unshift("resume");
  const question = { cancel: `Cancel ${run.name || run.id}? What it waits for is called off.` };
  const refused = posted.path === path && posted.refused;
  if (!offered.length && !refused) return null;
  return h("div", { class: "verbs", "data-key": "verbs", role: "group", "aria-label": "What can be done with this run" },
    offered.map((verb) => button(path, verb, verb[0].toUpperCase() + verb.slice(1), {}, question[verb])),
    refused ? h("p", { class: "error small", role: "alert" }, posted.refused) : null);
}

function approval(run, step) {
  if (step.uses !== "approve" || step.status !== "waiting") return null;
  const path = `/api/v1/runs/${encodeURIComponent(run.id)}`;
  return h("div", { class: "verbs", role: "group", "aria-label": `Approve ${step.id}` },
    button(path, "approve", "Approve", { step: step.id, approved: true }),
    button(path, "approve", "Reject", { step: step.id, approved: false }, `Reject ${step.id}? The step fails.`));
}

function stepCard(run, step) {
  return h("li", { class: "card", "data-key": step.id },
    h("div", { class: "step-head" },
      status(step.status), h("strong", {}, step.id), h("code", { class: "quiet" }, step.uses),
      step.attempt > 1 ? h("span", { class: "small quiet" }, `attempt ${step.attempt}`) : null,
      h("span", { class: "when small quiet" }, took(step.started_at, step.finished_at))),
    step.waiting_for && !OVER.has(step.status) ? h("div", { class: "small quiet" }, step.waiting_for) : null,
    approval(run, step), failure(step.error), saved(run, step), values("Details", step.outputs));
}

function journal(events) {
  return h("details", { "data-key": "journal", open: false }, h("summary", {}, `Journal, ${events.length} events`),
    h("ul", { class: "journal small" }, events.map((event) => h("li", { "data-key": String(event.seq) },
      h("span", { class: "quiet" }, clock.format(new Date(event.at))),
      h("span", {}, event.type, event.step ? h("span", { class: "quiet" }, ` ${event.step}`) : null),
      h("code", { class: "quiet" }, JSON.stringify(event.payload))))));
}

// ---- pages: each loads what it shows, and is told whether it is still wanted

async function get(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${body.error.message} ${body.error.hint ?? ""}`);
  return body;
}

const list = { status: "", shown: PAGE };

async function runsPage() {
  const runs = await pages(list.status ? { status: list.status } : { parent: "" }, list.shown);
  return () => show("Runs",
    h("div", { class: "bar" }, h("h1", {}, "Runs"),
      h("label", { class: "small quiet" }, "Show ",
        h("select", { value: list.status, onchange: (event) => { list.status = event.target.value; list.shown = PAGE; redraw(); } },
          h("option", { value: "" }, "all"), STATUSES.map((name) => h("option", { value: name }, name))))),
    runs.items.length
      ? h("ul", { class: "cards" }, runs.items.map(card))
      : h("p", { class: "quiet" }, list.status ? `No run is ${list.status}.` : "No runs yet. Start one with ", list.status ? null : h("code", {}, "orchestrator run FILE"), list.status ? null : "."),
    runs.more ? h("button", { onclick: () => { list.shown += PAGE; redraw(); } }, "Show more") : null);
}

async function pages(filters, wanted) {
  const items = [];
  let cursor = null;
  do {
    const query = new URLSearchParams({ ...filters, limit: String(Math.min(500, wanted - items.length)) });
    if (cursor) query.set("cursor", cursor);
    const page = await get(`/api/v1/runs?${query}`);
    items.push(...page.runs);
    cursor = page.next_cursor;
  } while (cursor && items.length < wanted);
  return { items, more: Boolean(cursor) };
}

async function runPage(id) {
  const path = `/api/v1/runs/${encodeURIComponent(id)}`;
  const [detail, { events }] = await Promise.all([get(path), get(`${path}/events`)]);
  const run = detail.summary;
  const children = run.children_total ? await pages({ parent: id }, list.shown) : { items: [], more: false };
  return () => show(run.name || run.id,
    h("p", { class: "small" }, h("a", { href: run.parent ? `#/runs/${encodeURIComponent(run.parent)}` : "#/" }, run.parent ? "← the run it belongs to" : "← all runs")),
    h("h1", {}, run.name || run.id),
    h("div", { class: "bar" }, status(run.status), progress(run),
      h("span", { class: "small quiet" }, `${run.pipeline} · ${time.format(new Date(run.created_at))} · ${took(run.created_at, run.finished_at)}`)),
    run.reason ? h("p", { class: "small quiet" }, run.reason) : null,
    run.replays ? h("p", { class: "small" }, h("a", { href: `#/runs/${encodeURIComponent(run.replays)}` }, "the run that it replays")) : null,
    verbs(run),
    failure(run.error),
    values("Outputs", detail.outputs), values("Inputs", detail.inputs),
    children.items.length ? h("h2", {}, "Runs of its rows") : null,
    children.items.length ? h("ul", { class: "cards" }, children.items.map(card)) : null,
    children.more ? h("button", { onclick: () => { list.shown += PAGE; redraw(); } }, "Show more") : null,
    detail.steps.length ? h("h2", {}, "Steps") : null,
    detail.steps.length ? h("ol", { class: "cards" }, detail.steps.map((step) => stepCard(run, step))) : null,
    journal(events));
}

async function limitsPage() {
  const { limits } = await get("/api/v1/limits");
  const busy = [...limits].sort((one, other) => other.waiting - one.waiting || other.sent - one.sent);
  const n = (value) => h("td", { class: "n" }, value);
  return () => show("Quota", h("h1", {}, "Quota"),
    h("p", { class: "small quiet" }, "Calls per second that the account has for each operation, and who waits for them."),
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", {}, "Operation"), ["Waiting", "In flight", "Per second", "Now", "Next free", "Sent", "Throttled"].map((name) => h("th", { class: "n" }, name)))),
      h("tbody", {}, busy.map((bucket) => h("tr", { "data-key": bucket.operation },
        h("td", {}, bucket.operation), n(bucket.waiting), n(bucket.in_flight), n(bucket.rate), n(Number(bucket.effective_rate).toFixed(1)),
        n(bucket.next_free_s === null ? "after a reply" : `${Number(bucket.next_free_s).toFixed(1)} s`), n(bucket.sent), n(bucket.throttles)))))));
}

// ---- drawing: at most one load at a time, and never more than one every REDRAW_MS

let draw = () => {};
let loading = false;
let wanted = false;
let place = "";

function page() {
  const [, first, second] = location.hash.split("/");
  if (first === "runs" && second) return () => runPage(decodeURIComponent(second));
  return first === "limits" ? limitsPage : runsPage;
}

async function redraw() {
  wanted = true;
  if (loading) return;
  loading = true;
  while (wanted) {
    wanted = false;
    const asked = location.hash;
    if (asked !== place) { place = asked; scrollTo(0, 0); }
    try {
      const drawn = await page()();
      if (asked === location.hash) { draw = drawn; draw(); } else wanted = true;
    } catch (error) {
      if (asked === location.hash) { draw = () => show("Error", h("h1", {}, "This can't be shown"), h("p", { class: "error" }, error.message)); draw(); }
    }
    await new Promise((resolve) => setTimeout(resolve, REDRAW_MS));
  }
  loading = false;
}

function follow() {
  const events = new EventSource("/events");
  const say = (text, on) => { live.textContent = text; live.classList.toggle("on", on); };
  events.onopen = () => { say("live", true); redraw(); };
  events.onmessage = redraw;
  events.onerror = () => {
    say("reconnecting", false);
    // A browser gives up for good on an error answer; we don't.
    if (events.readyState === EventSource.CLOSED) { events.close(); setTimeout(follow, 5000); }
  };
}

addEventListener("hashchange", () => { list.shown = PAGE; redraw(); });
// Running times go on between events; quotas have none.
setInterval(() => { if (!document.hidden) { if (location.hash.startsWith("#/limits")) redraw(); else draw(); } }, 1000);
redraw();
follow();
