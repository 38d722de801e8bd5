"use strict";
// The cards of endpoints: each is made once and then kept up to date.

const SLIDING = 5;
const GOOD = new Set(["InService", "OK", "Completed"]);
const BAD = new Set(["Failed", "ALARM", "UpdateRollbackFailed", "OutOfService"]);
const cards = new Map();

const chip = (status) => (GOOD.has(status) ? "chip good" : BAD.has(status) ? "chip bad" : "chip warn");
const nameOf = (fleet) => `${fleet.config} / ${fleet.variant}`;

function showEndpoints(endpoints) {
  const seen = new Set();
  for (const endpoint of endpoints) {
    const key = JSON.stringify([endpoint.account, endpoint.region, endpoint.name]);
    seen.add(key);
    if (!cards.has(key)) cards.set(key, newCard());
    update(cards.get(key), endpoint);
  }
  for (const [key, card] of cards) {
    if (seen.has(key)) continue;
    card.article.remove();
    cards.delete(key);
  }
  byId("no-endpoints").hidden = endpoints.length > 0;
}

function newCard() {
  const article = byId("endpoint").content.firstElementChild.cloneNode(true);
  const parts = {};
  for (const part of article.querySelectorAll("[data-is]")) parts[part.dataset.is] = part;
  byId("endpoints").append(article);
  const card = { article, parts, colours: new Map(), endpoint: null, reading: false };
  parts["log-details"].addEventListener("toggle", () => showLog(card));
  return card;
}

function colour(card, config) {
  // By endpoint config, in the order in which they came: a fleet keeps its colour while it is seen.
  if (!card.colours.has(config)) card.colours.set(config, card.colours.size % 4);
  return `fleet-${card.colours.get(config)}`;
}

function update(card, endpoint) {
  const { parts } = card;
  card.endpoint = endpoint;
  show(parts.name, endpoint.name);
  show(parts.where, endpoint.region);
  show(parts.status, endpoint.status);
  showAs(parts.status, chip(endpoint.status));
  const shape = endpoint.variants.map((variant) =>
    `${variant.name}: ${variant.serverless ? "serverless" : `${variant.instances} × ${variant.instance_type}`}` +
    `${variant.shadow ? ", shadow" : ""}, weight ${variant.weight}`);
  show(parts.config, [`endpoint config ${endpoint.config}`, ...shape].join(" · "));
  show(parts.reason, endpoint.failure_reason);
  list(parts.pending, endpoint.pending, (text) => element("li", text));
  showTraffic(card, endpoint.traffic);
  showFleets(card, endpoint.fleets);
  if (parts["log-details"].open && parts.follow.checked) showLog(card);
}

function showTraffic(card, traffic) {
  const { parts } = card;
  const seconds = traffic.p50.length;
  const counts = traffic.fleets.map((fleet) => fleet.count);
  const all = traffic.p50.map((_, at) => sum(counts.map((count) => count[at])));
  const wide = sliding(all, SLIDING);
  const classes = traffic.fleets.map((fleet) => colour(card, fleet.config));
  const got = counts.map((count) => sliding(count, SLIDING).map((value, at) => (wide[at] ? value / wide[at] : null)));
  const nowAll = sum(last(all, 10));
  const legend = traffic.fleets.map((fleet, number) => {
    const now = nowAll ? percent(sum(last(fleet.count, 10)) / nowAll) : "no requests";
    return [classes[number], `${nameOf(fleet)}: asked for ${percent(fleet.asked.at(-1))}, got ${now}`];
  });
  list(parts.legend, legend, ([fleet, text]) => {
    const made = element("li", "", fleet);
    made.append(element("i"), element("span", text));
    return made;
  });
  const lines = traffic.fleets.flatMap((fleet, number) => [
    line(fleet.asked, 1, `dashed ${classes[number]}`), line(got[number], 1, classes[number])]);
  chart(parts.shares, lines, { most: "100 %", seconds, says: `Share of the requests: ${legend.map(([, text]) => text).join("; ") || "none"}` });
  const rate = round(highest([all], 1));
  chart(parts.rate, stacked(counts, rate, (number) => classes[number]), { most: rate, seconds, says: `Requests per second, now ${all.at(-1)}` });
  showTrouble(card, traffic, seconds);
  show(parts["now-rate"], (nowAll / 10).toFixed(1));
}

function showTrouble(card, traffic, seconds) {
  const { parts } = card;
  const refused = traffic.p50.map((_, at) => sum(traffic.fleets.map((fleet) => fleet.refused[at])));
  const broken = traffic.p50.map((_, at) => sum(traffic.fleets.map((fleet) => fleet.broken[at])));
  const late = round(highest([traffic.p99], 1));
  const wrong = round(highest([refused.map((value, at) => value + broken[at])], 1));
  const newest = (values) => last(values, 10).findLast((value) => value !== null);
  chart(parts.latency, [line(traffic.p99, late, "warn"), line(traffic.p50, late, "calm")],
    { most: milliseconds(late), seconds, says: `Latency: p50 ${milliseconds(newest(traffic.p50))}, p99 ${milliseconds(newest(traffic.p99))}` });
  chart(parts.errors, stacked([refused, broken], wrong, (number) => (number ? "bad" : "warn")),
    { most: wrong, seconds, says: `Errors of the last minute: ${sum(last(refused, 60))} of 4xx, ${sum(last(broken, 60))} of 5xx` });
  show(parts["now-p50"], milliseconds(newest(traffic.p50)));
  show(parts["now-p99"], milliseconds(newest(traffic.p99)));
  show(parts["now-4xx"], String(sum(last(refused, 60))));
  show(parts["now-5xx"], String(sum(last(broken, 60))));
}

function showFleets(card, fleets) {
  const rows = fleets.flatMap((fleet) => {
    const name = `${nameOf(fleet)}${fleet.shadow ? " (shadow)" : ""}`;
    const instances = fleet.instances.map((one) => [name, one.name, one.pid ?? "starting", one.restarts, one.answering]);
    return instances.length ? instances : [[name, "none", "–", "–", fleet.answering]];
  });
  show(card.parts["fleets-title"], `Fleets: ${fleets.length}, processes: ${sum(fleets.map((fleet) => fleet.instances.length))}`);
  list(card.parts.fleets, rows, (row) => {
    const made = element("tr");
    made.append(...row.map((cell) => element("td", String(cell))));
    return made;
  });
}

async function showLog(card) {
  if (card.reading || !card.parts["log-details"].open) return;
  card.reading = true;
  try {
    const { name, region, account } = card.endpoint;
    const { lines } = await ask("GET", `/_local/logs?${new URLSearchParams({ endpoint: name, region, account })}`);
    const moment = (at) => new Date(at * 1000).toISOString().slice(11, 23);
    const text = lines.map((one) => `${moment(one.at)} ${one.stream}  ${one.message}`).join("\n") || "Nothing was written.";
    if (card.parts.log.textContent !== text) {
      card.parts.log.textContent = text;
      if (card.parts.follow.checked) card.parts.log.scrollTop = card.parts.log.scrollHeight;
    }
  } catch (error) {
    show(card.parts.log, `The log cannot be read: ${error.message}`);
  } finally {
    card.reading = false;
  }
}
