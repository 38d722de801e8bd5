// What changes by itself: asked for once a second while somebody looks.

const EVERY_MILLISECONDS = 1000;
const DOTS = { idle: "good", busy: "busy", starting: "", "waiting to start": "bad" };

let lastErrors = "";
let lastDescribed = "";

/** Answers of each second as an area; failures as bars in front of it. */
function throughput(answers, errors) {
  const most = Math.max(1, ...answers);
  const step = 600 / (answers.length - 1);
  const points = answers.map((count, index) => `${(index * step).toFixed(1)},${(80 - (count / most) * 76).toFixed(1)}`);
  const wrong = errors.flatMap((count, index) => {
    if (!count) return [];
    const height = Math.max(2, (count / most) * 76);
    return [draw("rect", { x: index * step - 3, y: 80 - height, width: 6, height, class: "wrong" })];
  });
  const total = answers.reduce((sum, count) => sum + count, 0);
  const label = `${answers.at(-1)} answers in the last second, ${total} in the last minute`;
  $("throughput").replaceChildren(
    draw("svg", { viewBox: "0 0 600 80", preserveAspectRatio: "none", role: "img", "aria-label": label },
      draw("polygon", { points: `0,80 ${points.join(" ")} 600,80`, class: "area" }),
      draw("polyline", { points: points.join(" "), class: "stroke" }), ...wrong,
      draw("line", { x1: 0, x2: 600, y1: 80, y2: 80, class: "base" })),
    make("div", "ends", make("span", "", `now ${answers.at(-1)}`), make("span", "", `${total} in a minute, at most ${most === 1 ? Math.max(...answers) : most} a second`)),
  );
}

function histogram(bins) {
  const most = Math.max(1, ...bins.map((bin) => bin.count));
  const width = 600 / Math.max(1, bins.length);
  const columns = bins.map((bin, index) => {
    const height = bin.count ? Math.max(2, (bin.count / most) * 76) : 0;
    const column = draw("rect", { x: index * width + 1, y: 80 - height, width: Math.max(1, width - 2), height, class: "bin" });
    column.append(draw("title", {}, `${seconds(bin.low)} to ${seconds(bin.high)}: ${bin.count}`));
    return column;
  });
  const ends = bins.length ? [seconds(bins[0].low), seconds(bins.at(-1).high)] : ["no answers yet", ""];
  $("histogram").replaceChildren(
    draw("svg", { viewBox: "0 0 600 80", preserveAspectRatio: "none", role: "img", "aria-label": `latencies from ${ends.join(" to ")}` },
      ...columns, draw("line", { x1: 0, x2: 600, y1: 80, y2: 80, class: "base" })),
    make("div", "ends", ...ends.map((end) => make("span", "", end))),
  );
}

function showWorkers(workers) {
  $("workers").replaceChildren(...workers.map((worker) => {
    const state = make("td", DOTS[worker.state] ?? "", make("i"), worker.state);
    const cells = [worker.pid ?? "–", worker.served, worker.restarts, worker.rss_bytes ? bytes(worker.rss_bytes) : "–"];
    return make("tr", "", make("td", "", String(worker.number)), state, ...cells.map((cell) => make("td", "", String(cell))));
  }));
  const ready = workers.filter((worker) => worker.state === "idle" || worker.state === "busy").length;
  sayHealth(ready ? "good" : "bad", `${ready} of ${workers.length} ${workers.length === 1 ? "worker" : "workers"} ready`);
}

function sayHealth(kindOfState, words) {
  const health = $("health");
  // Written only where it changes: it is read aloud.
  if (health.textContent.trim() !== words) health.replaceChildren(make("i"), make("span", "", words));
  health.className = `state ${kindOfState}`;
}

function showErrors(errors) {
  const ids = JSON.stringify(errors.map((error) => error.id));
  if (ids === lastErrors) return;
  lastErrors = ids;
  const open = new Set([...document.querySelectorAll("#errors details[open]")].map((details) => details.dataset.id));
  $("no-errors").hidden = errors.length > 0;
  $("errors").replaceChildren(...errors.map((error) => {
    const time = new Date(error.time * 1000).toLocaleTimeString();
    const summary = make("summary", "", make("span", "chip bad", String(error.status)), make("span", "", time),
      make("span", "what", error.error || `${error.method} ${error.path}`));
    const details = make("details", "", summary, make("p", "quiet", `${error.method} ${error.path}, request ${error.id}`),
      make("pre", "", error.traceback || error.error || "The answer said no more."));
    details.dataset.id = error.id;
    details.open = open.has(error.id);
    return make("li", "", details);
  }));
}

function showTraps(traps) {
  $("traps-card").hidden = !traps.length;
  $("traps").replaceChildren(...traps.map((trap) => make("li", "",
    make("code", "", trap.slug), trap.count ? ` met ${trap.count} ${trap.count === 1 ? "time" : "times"}` : "",
    make("div", "", [trap.found, trap.happens].filter(Boolean).join(": ")), make("div", "quiet", trap.instead))));
}

function showProblem(problem) {
  const said = problem?.error ?? "";
  if ($("problem").hidden === !problem && $("problem-error").textContent === said) return;
  $("problem").hidden = !problem;
  $("problem-error").textContent = said;
  $("problem-trace").textContent = problem?.traceback ?? "";
  $("problem-trace").parentElement.hidden = !problem?.traceback;
}

function showModel(described) {
  const text = JSON.stringify(described);
  if (text === lastDescribed) return;
  lastDescribed = text;
  offerInputs(described);
  const others = Object.entries(described).filter(([name]) => name !== "inputs");
  const taken = inputs.map((input) => [`input ${input.name}`, `${input.dtype}${input.shape ? ` (${input.shape.map((side) => (side < 0 ? "any" : side)).join(", ")})` : ""}`]);
  const terms = [...taken, ...others.map(([name, value]) => [name, cut(inWords(value), 400)])];
  fillTerms($("schema"), terms.length ? terms : [["schema", "the entry point does not say"]]);
}

function showState(state) {
  throughput(state.answers_per_second, state.errors_per_second);
  histogram(state.histogram);
  for (const part of ["p50", "p95", "p99"]) $(part).textContent = state.latency ? seconds(state.latency[part]) : "–";
  $("waiting").textContent = String(state.waiting);
  showWorkers(state.workers);
  showErrors(state.errors);
  showTraps(state.traps);
  showProblem(state.problem);
  showModel(state.describes);
}

async function fetchJson(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}

async function watch() {
  if (!document.hidden) {
    try {
      showState(await fetchJson("/_local/state"));
    } catch {
      sayHealth("bad", "the server does not answer");
    }
  }
  setTimeout(watch, EVERY_MILLISECONDS);
}

async function begin() {
  try {
    offered = await fetchJson("/_local/cases");
  } catch {
    sayHealth("bad", "the server does not answer");
  }
  offerCases();
  const facts = Object.entries(offered.facts);
  fillTerms($("facts"), facts.map(([name, value]) => [name, inWords(value)]));
  const name = offered.facts.model ?? offered.facts.program;
  if (name) {
    $("model").textContent = inWords(name);
    document.title = `${inWords(name)} · Local endpoint`;
  }
  watch();
}

begin();
