"use strict";
// Small parts. Texts of models and clients become text nodes and nothing else: there is no HTML made here.

const byId = (id) => document.getElementById(id);

function element(tag, text = "", classes = "") {
  const made = document.createElement(tag);
  if (text !== "") made.textContent = text;
  if (classes) made.className = classes;
  return made;
}

function show(node, text) {
  // Only what has changed: a screen reader would read it again, and a selection would be lost.
  if (node.textContent !== text) node.textContent = text;
}

function showAs(node, classes) {
  if (node.className !== classes) node.className = classes;
}

function list(parent, items, make) {
  // Replaced only if it has become another one, so that what has the focus keeps it.
  const written = JSON.stringify(items);
  if (parent.dataset.written === written) return;
  parent.dataset.written = written;
  parent.replaceChildren(...items.map(make));
}

const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);
const last = (numbers, count) => numbers.slice(-count);

function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ms`;
}

const percent = (part) => `${(100 * part).toFixed(part > 0 && part < 0.1 ? 1 : 0)} %`;

async function ask(method, path, content) {
  const answer = await fetch(path, {
    method,
    signal: AbortSignal.timeout(10000),
    ...(content === undefined ? {} : { body: JSON.stringify(content), headers: { "content-type": "application/json" } }),
  });
  const body = await answer.text();
  if (!answer.ok) {
    let why = `the local cloud answers ${answer.status}`;
    try { why = JSON.parse(body).message || why; } catch { /* no words of its own */ }
    throw new Error(why);
  }
  return body ? JSON.parse(body) : null;
}
