"use strict";
// Charts of the last minutes, as SVG: each takes lists of numbers, one for each second, the newest last.

const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 72;

function drawn(tag, attributes) {
  const made = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const across = (number, count) => (count > 1 ? (number * WIDTH) / (count - 1) : 0).toFixed(1);
const up = (value, most) => (HEIGHT - (value / most) * HEIGHT).toFixed(1);

function line(values, most, classes) {
  // Where nothing was measured the line is broken.
  let path = "";
  let begun = false;
  values.forEach((value, number) => {
    if (value !== null) path += `${begun ? "L" : "M"}${across(number, values.length)} ${up(value, most)}`;
    begun = value !== null;
  });
  return drawn("path", { d: path, class: `stroke ${classes}` });
}

function band(low, high, most, classes) {
  const count = high.length;
  const there = high.map((value, number) => `${across(number, count)} ${up(value, most)}`);
  const back = low.map((value, number) => `${across(number, count)} ${up(value, most)}`).reverse();
  return drawn("path", { d: `M${[...there, ...back].join("L")}Z`, class: `area ${classes}` });
}

function chart(parent, shapes, { most, says, seconds }) {
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": says });
  svg.append(drawn("path", { d: `M0 ${HEIGHT}H${WIDTH}M0 0H${WIDTH}`, class: "base" }), ...shapes);
  const ends = element("div", "", "ends");
  ends.append(element("span", `${seconds} s ago`), element("span", `up to ${most}`), element("span", "now"));
  parent.replaceChildren(svg, ends);
}

function stacked(rows, most, classesOf) {
  // Each row on top of those before it.
  let low = rows.length ? rows[0].map(() => 0) : [];
  return rows.map((row, number) => {
    const high = row.map((value, at) => low[at] + value);
    const shape = band(low, high, most, classesOf(number));
    low = high;
    return shape;
  });
}

function sliding(row, width) {
  // Sums over so many seconds up to each one: single seconds of a quiet endpoint say nothing of a share.
  let running = 0;
  return row.map((value, number) => {
    running += value - (number >= width ? row[number - width] : 0);
    return running;
  });
}

const highest = (rows, least) => Math.max(least, ...rows.flat().filter((value) => value !== null));

function round(most) {
  // The next number that people read with ease.
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= most * 0.999);
}
