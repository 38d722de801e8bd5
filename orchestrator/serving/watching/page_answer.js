// An answer, as what it most likely is: class probabilities, a picture, sound, numbers, a document.

const MOST_BARS = 12;
const MOST_ROWS = 6;
const SMALLEST_PICTURE = 6;

/** Return elements that show the body of an answer, or nothing where its text says it all. */
function rendered(content, contentType) {
  const kind = contentType.split(";")[0].trim().toLowerCase();
  if (kind.startsWith("image/")) return [pictureOf(content, kind)];
  if (kind.startsWith("audio/")) return [soundOf(content, kind)];
  const array = arrayOf(content);
  if (array) return [make("p", "quiet", `array of ${array.dtype}, shape (${array.shape.join(", ")})`), ...shown(array.value)];
  const text = asText(content);
  if (text === null) return [];
  const value = asJson(text);
  return value === undefined ? [] : shown(value);
}

/** Return elements for a JSON value; none if it is best read as it is. */
function shown(value) {
  if (Array.isArray(value)) return ofList(value);
  if (value === null || typeof value !== "object") return [];
  for (const key of ["predictions", "outputs", "instances"]) if (Array.isArray(value[key])) return shown(value[key]);
  const shares = value.probabilities ?? value.scores;
  // The likeliest first: a JavaScript object puts keys such as "7" into an order of their own.
  if (isPlain(shares)) return [bars(Object.entries(shares).sort((one, other) => other[1] - one[1]))];
  if (isVector(shares)) return [bars(shares.map((share, index) => [namesIn(value)?.[index] ?? index, share]))];
  if ("label" in value && typeof value.score === "number") return [bars([[value.label, value.score]])];
  const numbers = Object.entries(value).filter(([, part]) => typeof part === "number");
  if (numbers.length > 1 && numbers.length === Object.keys(value).length) return [bars(numbers)];
  return Object.entries(value).flatMap(([name, part]) => {
    const parts = Array.isArray(part) ? shown(part) : [];
    return parts.length ? [make("h3", "", name), ...parts] : [];
  });
}

function ofList(list) {
  if (isVector(list)) return [list.length > 64 ? profile(list) : bars(list.map((number, index) => [index, number]))];
  if (list.length && list.every((part) => part && "label" in Object(part) && typeof part.score === "number")) {
    return [bars(list.map((part) => [part.label, part.score]))];
  }
  const picture = pixelsIn(list);
  if (picture) return [paintedOf(picture)];
  const rows = list.slice(0, MOST_ROWS).map((row) => (typeof row === "object" && row ? shown(row) : []));
  const more = list.length > MOST_ROWS ? [make("p", "quiet", `${list.length - MOST_ROWS} more in the body`)] : [];
  if (!rows.some((row) => row.length)) return [];
  return list.length === 1 ? rows[0] : [...rows.flatMap((row, index) => [make("h3", "", `Example ${index + 1}`), ...row]), ...more];
}

function isPlain(value) {
  return Boolean(value) && !Array.isArray(value) && typeof value === "object"
    && Object.keys(value).length > 0 && Object.values(value).every((part) => typeof part === "number");
}

function isVector(value) {
  return Array.isArray(value) && value.length > 0 && value.every((part) => typeof part === "number");
}

function namesIn(value) {
  return [value.labels, value.classes].find((names) => Array.isArray(names));
}

/** A bar for each [name, number]: of the whole if all are shares of one, else of the largest. */
function bars(pairs) {
  const numbers = pairs.map(([, number]) => number);
  const areShares = numbers.every((number) => number >= 0 && number <= 1);
  const largest = areShares ? 1 : Math.max(...numbers.map(Math.abs)) || 1;
  const top = Math.max(...numbers);
  const chosen = pairs.length > MOST_BARS ? [...pairs].sort((one, other) => other[1] - one[1]).slice(0, MOST_BARS) : pairs;
  const chart = make("div", "bars");
  chart.setAttribute("role", "list");
  for (const [name, number] of chosen) {
    const first = number === top ? "first" : "";
    const label = make("span", `name ${first}`, String(name));
    label.title = String(name);
    const bar = make("div", "bar");
    bar.style.width = `${(Math.abs(number) / largest) * 100}%`;
    const value = make("span", "number", areShares ? `${(number * 100).toFixed(1)} %` : short(number));
    const track = make("div", `track ${first}`, bar);
    label.setAttribute("role", "listitem");
    chart.append(label, track, value);
  }
  if (pairs.length > chosen.length) chart.append(make("span"), make("span", "quiet", `${pairs.length - chosen.length} more`));
  return chart;
}

/** A long vector as a line. */
function profile(numbers) {
  const low = Math.min(0, ...numbers);
  const high = Math.max(0, ...numbers) || 1;
  const y = (number) => 60 - ((number - low) / (high - low || 1)) * 60;
  const points = numbers.map((number, index) => `${(index / (numbers.length - 1)) * 600},${y(number).toFixed(1)}`);
  const plot = make("div", "plot");
  plot.append(
    draw("svg", { viewBox: "0 0 600 60", preserveAspectRatio: "none", role: "img", "aria-label": `${numbers.length} numbers` },
      draw("line", { x1: 0, x2: 600, y1: y(0), y2: y(0), class: "base" }), draw("polyline", { points: points.join(" "), class: "stroke" })),
    make("div", "ends", make("span", "", `${numbers.length} numbers`), make("span", "", `${short(low)} to ${short(high)}`)),
  );
  return plot;
}

function pictureOf(content, kind) {
  const image = make("img");
  image.alt = "The answer as a picture";
  image.src = URL.createObjectURL(new Blob([content], { type: kind }));
  image.addEventListener("load", () => URL.revokeObjectURL(image.src));
  return image;
}

function soundOf(content, kind) {
  const player = make("audio");
  player.controls = true;
  player.src = URL.createObjectURL(new Blob([content], { type: kind }));
  return player;
}

function shapeOf(value) {
  const shape = [];
  for (let part = value; Array.isArray(part); part = part[0]) shape.push(part.length);
  return shape;
}

/** Return rows of [r, g, b] if `value` has the shape (H, W), (H, W, 1 or 3) or (1 or 3, H, W), else null. */
function pixelsIn(value) {
  const [first, second, third] = shapeOf(value);
  const depth = shapeOf(value).length;
  const isLarge = (height, width) => height >= SMALLEST_PICTURE && width >= SMALLEST_PICTURE;
  if (depth === 4 && first === 1) return pixelsIn(value[0]);
  const flat = value.flat(depth);
  if (!flat.every((part) => typeof part === "number")) return null;
  const isEven = (rows) => rows.every((row) => Array.isArray(row) && row.length === rows[0].length);
  if (depth === 2 && isLarge(first, second) && isEven(value)) return value.map((row) => row.map((cell) => [cell, cell, cell]));
  if (depth !== 3) return null;
  if ((third === 1 || third === 3) && isLarge(first, second) && isEven(value)) {
    return value.map((row) => row.map((cell) => [cell[0], cell[1] ?? cell[0], cell[2] ?? cell[0]]));
  }
  if ((first === 1 || first === 3) && isLarge(second, third) && value.every(isEven)) {
    const [red, green, blue] = first === 3 ? value : [value[0], value[0], value[0]];
    return red.map((row, y) => row.map((cell, x) => [cell, green[y][x], blue[y][x]]));
  }
  return null;
}

/** Paint rows of [r, g, b] from the smallest number, black, to the largest. */
function paintedOf(rows) {
  const canvas = make("canvas");
  canvas.width = rows[0].length;
  canvas.height = rows.length;
  let low = Infinity;
  let high = -Infinity;
  for (const row of rows) for (const pixel of row) for (const cell of pixel) [low, high] = [Math.min(low, cell), Math.max(high, cell)];
  const image = new ImageData(canvas.width, canvas.height);
  rows.flat().forEach((pixel, index) => {
    pixel.forEach((cell, channel) => { image.data[index * 4 + channel] = ((cell - low) / (high - low || 1)) * 255; });
    image.data[index * 4 + 3] = 255;
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  canvas.style.width = `${Math.max(canvas.width, Math.min(canvas.width * 16, 224))}px`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${canvas.height} by ${canvas.width} numbers as a picture, ${short(low)} to ${short(high)}`);
  return canvas;
}

const NPY_TYPES = {
  "<f4": Float32Array, "<f8": Float64Array, "<i8": BigInt64Array, "<i4": Int32Array, "<i2": Int16Array,
  "|i1": Int8Array, "|u1": Uint8Array, "<u2": Uint16Array, "<u4": Uint32Array, "<u8": BigUint64Array, "|b1": Uint8Array,
};

/** Read an npy body (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), or return null. */
function arrayOf(content) {
  if (content.length < 12 || String.fromCharCode(...content.subarray(1, 6)) !== "NUMPY") return null;
  const view = new DataView(content.buffer, content.byteOffset);
  const start = content[6] === 1 ? 10 : 12;
  const length = content[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const header = new TextDecoder("latin1").decode(content.subarray(start, start + length));
  const dtype = /'descr': *'([^']*)'/.exec(header)?.[1];
  const kind = NPY_TYPES[dtype];
  if (!kind || !/'fortran_order': *False/.test(header)) return null;
  const shape = (/'shape': *\(([^)]*)\)/.exec(header)?.[1] ?? "").split(",").filter((part) => part.trim()).map(Number);
  const size = shape.reduce((product, part) => product * part, 1);
  // A copy: typed arrays begin at multiples of their item's size.
  const numbers = content.slice(start + length);
  if (numbers.length !== size * kind.BYTES_PER_ELEMENT) return null;
  return { dtype, shape, value: nested(Array.from(new kind(numbers.buffer), Number), shape) };
}

function nested(numbers, shape) {
  if (shape.length < 2) return shape.length ? numbers : numbers[0];
  const step = numbers.length / shape[0];
  return Array.from({ length: shape[0] }, (_, index) => nested(numbers.slice(index * step, (index + 1) * step), shape.slice(1)));
}

/** What is wrong with an answer, by the rules of golden cases; "" if nothing is. Keys that are not expected may be there. */
function difference(expected, given, atol, where = "body") {
  if (typeof expected === "number" && typeof given === "number") {
    return Math.abs(expected - given) <= atol ? "" : `${where} is ${given}, not ${expected}`;
  }
  if (Array.isArray(expected) && Array.isArray(given)) {
    if (expected.length !== given.length) return `${where} has ${given.length} items, not ${expected.length}`;
    return expected.map((part, index) => difference(part, given[index], atol, `${where}[${index}]`)).find(Boolean) ?? "";
  }
  const areObjects = [expected, given].every((value) => value && typeof value === "object" && !Array.isArray(value));
  if (!areObjects) return expected === given ? "" : `${where} is ${JSON.stringify(given)}, not ${JSON.stringify(expected)}`;
  for (const [key, value] of Object.entries(expected)) {
    if (!Object.hasOwn(given, key)) return `${where} has no '${key}'`;
    const found = difference(value, given[key], atol, `${where}.${key}`);
    if (found) return found;
  }
  return "";
}
