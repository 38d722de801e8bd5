"use strict";
// What changes: the state is asked for each second, and what the person does is sent.

const EVERY = 1000;
const MOST = 24;
const SAYS = {
  "throttle": "Calls are refused as too many; with a rate, only those beyond so many per second.",
  "server-error": "Calls fail with a 500, and nothing is done.",
  "reset": "The connection ends, and nothing is done.",
  "lose-answer": "It is done, and the connection ends without an answer.",
  "latency": "Answers come so many seconds later.",
  "region-down": "Every call to a region fails with a 503.",
  "eventual-consistency": "Describe and List answer what was there so many seconds ago.",
  "model-error": "The model fails its requests; they count as 5xx.",
  "silent-rollback": "The new fleet gets its first traffic, and loses it without a reason.",
  "capacity": "There are no instances of the type.",
  "fail": "The endpoint becomes Failed.",
  "stuck": "The change stays under way until the fault is lifted.",
  "update-rollback-failed": "The rollback fails: old and new answer, half each.",
  "slow-start": "Containers answer so many seconds later.",
  "crash-loop": "Containers end at their start, again and again.",
};
const MEMBERS = {
  operation: ["Operation, or a pattern", "text", "*"],
  endpoint: ["Endpoint, or a pattern", "text", ""],
  region: ["Region, or a pattern", "text", ""],
  config: ["Endpoint config, or a pattern", "text", ""],
  seconds: ["Seconds", "number", ""],
  rate: ["Calls per second let through", "number", ""],
  crashes: ["Crashes; none for all", "number", ""],
  times: ["Times; none for the usual", "number", ""],
  share: ["Share of the calls", "number", ""],
  seed: ["Seed", "number", ""],
};
let began = null;
let kinds = null;

function health(classes, text) {
  showAs(byId("health"), `state ${classes}`);
  show(byId("health").lastElementChild, text);
}

function notice(text) {
  byId("notice").hidden = !text;
  show(byId("notice"), text);
}

function row(what, chipText, why, after = null) {
  const made = element("li");
  made.append(element("span", what, "what"), after || element("span", chipText, chip(chipText)));
  if (why) made.append(element("span", why, "why"));
  return made;
}

function showFaults(faults) {
  byId("no-faults").hidden = faults.length > 0;
  byId("lift-all").hidden = faults.length === 0;
  list(byId("faults"), faults, (fault) => {
    const { id, kind, operation, times, befallen, ...others } = fault;
    const lift = element("button", "Lift", "plain small");
    lift.type = "button";
    lift.setAttribute("aria-label", `Lift fault ${id}, ${kind}`);
    lift.addEventListener("click", () => order("DELETE", `/_local/faults/${encodeURIComponent(id)}`));
    const limits = Object.entries(others).filter(([name, value]) => !(name === "share" && value === 1) && !(name === "seed" && value === 0));
    const left = times === null ? "until it is lifted" : `${times} left`;
    return row(`${kind} · ${operation}`, "", [left, `befallen ${befallen}`, ...limits.map(([name, value]) => `${name} ${value}`)].join(", "), lift);
  });
}

function showAll(state) {
  if (began !== null && began !== state.began) notice("The local cloud was reset or started again; what you see is the new one.");
  began = state.began;
  health("good", "live");
  show(byId("about"), `version ${state.version}, pid ${state.pid}, speed ${state.speed}`);
  showEndpoints(state.endpoints);
  const others = state.endpoint_count - state.endpoints.length;
  byId("others").hidden = others === 0;
  show(byId("others"), `${others} more, which changed before these.`);
  byId("no-alarms").hidden = state.alarms.length > 0;
  list(byId("alarms"), state.alarms, (alarm) => row(alarm.name, alarm.state, [alarm.watches, alarm.endpoint && `of ${alarm.endpoint}`, alarm.reason].filter(Boolean).join(" · ")));
  byId("no-jobs").hidden = state.jobs.length > 0;
  list(byId("jobs"), state.jobs, (job) => row(job.name, job.status, job.reason));
  showFaults(state.faults);
  if (kinds === null) {
    kinds = state.kinds;
    byId("kind").replaceChildren(...Object.keys(kinds).map((kind) => element("option", kind)));
    showMembers();
  }
}

function showMembers() {
  const kind = byId("kind").value;
  show(byId("kind-says"), SAYS[kind] || "");
  const names = Object.keys(MEMBERS).filter((name) => kinds[kind].includes(name));
  byId("members").replaceChildren(...names.map((name) => {
    const [label, type, usual] = MEMBERS[name];
    const made = element("div");
    const input = element("input");
    Object.assign(input, { id: `member-${name}`, name, type, value: usual, autocomplete: "off", spellcheck: false });
    if (type === "number") input.step = "any";
    const said = element("label", label);
    said.htmlFor = input.id;
    made.append(said, input);
    return made;
  }));
}

async function order(method, path, content) {
  show(byId("refusal"), "");
  try {
    await ask(method, path, content);
    await look();
    return true;
  } catch (error) {
    show(byId("refusal"), error.message);
    return false;
  }
}

async function look() {
  try {
    showAll(await ask("GET", `/_local/state?endpoints=${MOST}`));
  } catch (error) {
    health("bad", "connection lost, trying again");
    notice(`The local cloud does not answer (${error.message}). What you see is how it was.`);
    return;
  }
  if (byId("notice").textContent.startsWith("The local cloud does not answer")) notice("");
}

async function lookOn() {
  if (!document.hidden) await look();
  setTimeout(lookOn, EVERY);
}

byId("kind").addEventListener("change", showMembers);
byId("fault").addEventListener("submit", (event) => {
  event.preventDefault();
  const content = { kind: byId("kind").value };
  for (const input of byId("members").querySelectorAll("input")) {
    if (input.value !== "") content[input.name] = input.type === "number" ? Number(input.value) : input.value;
  }
  order("POST", "/_local/faults", content);
});
byId("lift-all").addEventListener("click", () => order("DELETE", "/_local/faults"));
byId("reset").addEventListener("click", () => byId("really").showModal());
byId("really-no").addEventListener("click", () => byId("really").close());
byId("really-yes").addEventListener("click", async () => {
  byId("really").close();
  if (!(await order("POST", "/_local/reset"))) notice(`The local cloud was not reset: ${byId("refusal").textContent}`);
});
lookOn();
