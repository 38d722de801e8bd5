// What the other scripts are made of: elements, numbers in words, bytes in words.
// Whatever comes from a model, a client or a file goes into the page as text; nothing here makes HTML of it.

const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

/** Make an element; `content` is text or elements. */
function make(tag, names, ...content) {
  const element = document.createElement(tag);
  if (names) element.className = names;
  element.append(...content);
  return element;
}

/** Make an SVG element. */
function draw(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Fill a list of terms. */
function fillTerms(list, pairs) {
  list.replaceChildren(...pairs.flatMap(([term, value]) => [make("dt", "", term), make("dd", "", value)]));
}

function inWords(value) {
  return typeof value === "string" ? value : Array.isArray(value) ? value.map(inWords).join(", ") : JSON.stringify(value);
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most)} …` : text;
}

/** 0.00123 -> "1.23 ms" */
function seconds(value) {
  if (value >= 1) return `${Number(value.toPrecision(3))} s`;
  if (value >= 1e-3) return `${Number((value * 1e3).toPrecision(3))} ms`;
  return `${Math.round(value * 1e6)} µs`;
}

function bytes(count) {
  if (count < 1000) return `${count} B`;
  const unit = Math.min(3, Math.floor(Math.log10(count) / 3));
  return `${Number((count / 1000 ** unit).toPrecision(3))} ${["", "kB", "MB", "GB"][unit]}`;
}

/** A number as a reader wants it: four digits, exponents only where they help. */
function short(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return String(value);
  return size >= 1e-4 && size < 1e6 ? String(Number(value.toPrecision(4))) : value.toExponential(2);
}

/** The text that `content` is in UTF-8, or null if it is none. */
function asText(content) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
    return /[\u0000-\u0008\u000e-\u001a]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** The value of a JSON text, or undefined. */
function asJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Bytes as a table of hexadecimal numbers and characters, cut. */
function hexDump(content, most = 512) {
  const lines = [];
  for (let start = 0; start < Math.min(content.length, most); start += 16) {
    const row = [...content.subarray(start, Math.min(start + 16, most))];
    const numbers = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${start.toString(16).padStart(6, "0")}  ${numbers.padEnd(47)}  ${letters}`);
  }
  if (content.length > most) lines.push(`… ${bytes(content.length - most)} more`);
  return lines.join("\n");
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function toBase64(content) {
  let text = "";
  for (const byte of content) text += String.fromCharCode(byte);
  return btoa(text);
}

/** What a reader sees of a body: text, or a table of its bytes. */
function readable(content, most = 20000) {
  const text = asText(content);
  if (text === null) return hexDump(content);
  return text.length > most ? `${text.slice(0, most)}\n… ${text.length - most} more characters` : text;
}
