// The form: what is sent, how, and what came back.

const GUESSES = {
  npy: "application/x-npy", csv: "text/csv", json: "application/json", jsonl: "application/jsonlines", txt: "text/plain",
  png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", webp: "image/webp", gif: "image/gif", wav: "audio/wav",
  npz: "application/x-npz", parquet: "application/x-parquet",
};
const LONGEST_CURL = 4000;
const PAD = 224;

let offered = { cases: [], atol: 0, facts: {} };
let inputs = [];
let picture = null; // The file that is on the pad; null once it has been drawn on.
let isJsonTouched = false;

const kind = () => document.querySelector("[name=kind]:checked").value;
const chosenCase = () => offered.cases[$("case").selectedIndex];

/** Return the named inputs that a model takes; `described` is what the entry point says. */
function inputsOf(described) {
  const given = described?.inputs;
  if (!given || typeof given !== "object") return [];
  return Object.entries(given).map(([name, input]) => ({ name: input?.name ?? name, dtype: input?.dtype ?? "", shape: input?.shape ?? null }));
}

/** Return the sides of the input that is an image of one or three channels, if there is one. */
function imageInput() {
  for (const input of inputs) {
    const shape = input.shape ?? [];
    const [height, width] = shape.slice(-2);
    const channels = shape.length === 2 ? 0 : shape[0];
    if (shape.length >= 2 && shape.length <= 3 && [0, 1, 3].includes(channels) && height > 1 && width > 1) return { ...input, channels, height, width };
  }
  return null;
}

/** A document of zeros of the shapes that the model takes. */
function skeleton() {
  const zeros = ([first, ...rest]) => Array.from({ length: first < 0 ? 3 : first }, () => (rest.length ? zeros(rest) : 0));
  const size = (shape) => (shape ?? []).reduce((product, part) => product * Math.abs(part), 1);
  if (!inputs.length || inputs.some((input) => size(input.shape) > 1000)) return "";
  return JSON.stringify(Object.fromEntries(inputs.map((input) => [input.name, input.shape?.length ? zeros(input.shape) : 0])));
}

/** The numbers of the image on the pad, from 0 to 1, in the shape that the model takes. */
function padNumbers({ name, channels, height, width, dtype }) {
  const small = new OffscreenCanvas(width, height).getContext("2d");
  small.imageSmoothingQuality = "high";
  small.drawImage($("pad"), 0, 0, width, height);
  const pixels = small.getImageData(0, 0, width, height).data;
  const scale = dtype.includes("int") ? 1 : 255;
  const at = (x, y, channel) => {
    const place = (y * width + x) * 4;
    const grey = (pixels[place] * 299 + pixels[place + 1] * 587 + pixels[place + 2] * 114) / 1000;
    const level = channels === 3 ? pixels[place + channel] : Math.round(grey);
    return Number((level / scale).toFixed(4));
  };
  const plane = (channel) => Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => at(x, y, channel)));
  const value = channels ? Array.from({ length: channels }, (_, channel) => plane(channel)) : plane(0);
  return JSON.stringify({ [name]: value });
}

/** What will be sent: bytes, and the name of the file they are from if they are from one. */
async function payload() {
  const encoded = (text) => ({ content: new TextEncoder().encode(text), file: "" });
  const ofFile = async (file) => ({ content: new Uint8Array(await file.arrayBuffer()), file: file.name });
  switch (kind()) {
    case "case": return { content: chosenCase() ? fromBase64(chosenCase().body_base64) : new Uint8Array(), file: "" };
    case "json": return encoded($("json").value);
    case "text": return encoded($("text").value);
    case "file": return $("file").files.length ? ofFile($("file").files[0]) : encoded("");
    default: {
      if ($("image-form").value === "numbers") return encoded(padNumbers(imageInput()));
      if (picture && $("image-form").value === "file") return ofFile(picture);
      const blob = await new Promise((resolve) => { $("pad").toBlob(resolve, "image/png"); });
      return ofFile(new File([blob], "drawing.png"));
    }
  }
}

/** Choose the Content-Type and Accept that go with what is chosen. */
function suggest() {
  const guessed = (file) => GUESSES[file?.name.split(".").pop().toLowerCase()] ?? "application/octet-stream";
  const imageType = () => ($("image-form").value === "numbers" ? "application/json" : picture && $("image-form").value === "file" ? picture.type || guessed(picture) : "image/png");
  const types = {
    case: () => chosenCase()?.content_type ?? "application/json", json: () => "application/json", text: () => "text/plain",
    image: imageType, file: () => guessed($("file").files[0]),
  };
  $("content-type").value = types[kind()]();
  $("accept").value = (kind() === "case" && chosenCase()?.accept) || "application/json";
  showChoice();
}

function showChoice() {
  for (const part of document.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== kind();
  const golden = kind() === "case" ? chosenCase() : undefined;
  $("case-body").textContent = golden ? readable(fromBase64(golden.body_base64), 4000) : "";
  $("case-expected").textContent = golden ? `${golden.status} ${golden.expected === "null" ? "" : golden.expected}` : "";
  const text = $("json").value;
  $("json-hint").textContent = text && asJson(text) === undefined ? "This is not JSON; it can be sent all the same." : "";
  showCurl();
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Return the request as a line for a shell. */
function curlOf({ content, file }) {
  const head = ["curl -sS", quoted(`${location.origin}/invocations`)];
  // An empty value removes a header of curl's own.
  head.push(`-H ${quoted(`Content-Type:${$("content-type").value && ` ${$("content-type").value}`}`)}`);
  head.push(`-H ${quoted(`Accept:${$("accept").value && ` ${$("accept").value}`}`)}`);
  const text = asText(content);
  if (file) return `${head.join(" \\\n  ")} \\\n  --data-binary ${quoted(`@${file}`)}`;
  if (text !== null && text.length <= LONGEST_CURL) return `${head.join(" \\\n  ")} \\\n  --data-raw ${quoted(text)}`;
  if (content.length > LONGEST_CURL * 8) {
    return `# The body has ${bytes(content.length)}, too much for a command line: save it as body.bin\n${head.join(" \\\n  ")} \\\n  --data-binary @body.bin`;
  }
  return `echo ${quoted(toBase64(content))} | base64 -d |\n${head.join(" \\\n  ")} \\\n  --data-binary @-`;
}

async function showCurl() {
  const command = curlOf(await payload());
  $("curl").textContent = command;
  $("copied").textContent = "";
  return command;
}

async function send() {
  const { content } = await payload();
  const headers = Object.fromEntries([["Content-Type", $("content-type").value], ["Accept", $("accept").value]].filter(([, value]) => value));
  const begun = performance.now();
  try {
    const response = await fetch("/invocations", { method: "POST", headers, body: content });
    const given = new Uint8Array(await response.arrayBuffer());
    showAnswer(response, given, performance.now() - begun);
  } catch (error) {
    $("answer").hidden = false;
    $("status").replaceChildren(make("span", "chip bad", "no answer"), make("span", "", String(error.message)));
    for (const id of ["rendered", "headers"]) $(id).replaceChildren();
    $("body").textContent = "";
    $("verdict").hidden = true;
  }
}

function showAnswer(response, content, milliseconds) {
  const contentType = response.headers.get("content-type") ?? "";
  const status = [response.status, response.statusText].filter(Boolean).join(" ");
  $("answer").hidden = false;
  $("status").replaceChildren(
    make("span", `chip ${response.ok ? "good" : "bad"}`, status),
    ...[seconds(milliseconds / 1000), bytes(content.length), contentType || "no Content-Type"].map((fact) => make("span", "", fact)),
  );
  $("rendered").replaceChildren(...(response.ok ? rendered(content, contentType) : []));
  const text = asText(content);
  const value = text === null ? undefined : asJson(text);
  const isShort = text !== null && text.length < 2000;
  $("body").textContent = isShort && value !== undefined ? JSON.stringify(value, null, 2) : readable(content);
  $("body").parentElement.open = !$("rendered").childElementCount;
  fillTerms($("headers"), [...response.headers]);
  showVerdict(response.status, value);
}

function showVerdict(status, value) {
  const golden = kind() === "case" ? chosenCase() : undefined;
  $("verdict").hidden = !golden;
  if (!golden) return;
  const expected = asJson(golden.expected);
  const found = status !== golden.status ? `answered ${status}, not ${golden.status}`
    : expected === null || expected === undefined ? "" : difference(expected, value, offered.atol);
  $("verdict").className = `chip ${found ? "bad" : "good"}`;
  $("verdict").textContent = found || "as the golden case expects";
}

function clearPad() {
  const context = $("pad").getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, PAD, PAD);
  picture = null;
}

async function takePicture(file) {
  try {
    const bitmap = await createImageBitmap(file);
    clearPad();
    const scale = Math.min(PAD / bitmap.width, PAD / bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    $("pad").getContext("2d").drawImage(bitmap, (PAD - width) / 2, (PAD - height) / 2, width, height);
  } catch {
    clearPad(); // A picture that the browser cannot read can still be sent.
  }
  picture = file;
  suggest();
}

function drawOnPad(event) {
  if (!event.buttons) return;
  const context = $("pad").getContext("2d");
  const scale = PAD / $("pad").clientWidth;
  const at = (x, y) => [x * scale, y * scale];
  Object.assign(context, { strokeStyle: "#fff", lineWidth: 16, lineCap: "round" });
  context.beginPath();
  context.moveTo(...at(event.offsetX - event.movementX, event.offsetY - event.movementY));
  context.lineTo(...at(event.offsetX, event.offsetY));
  context.stroke();
  if (picture) {
    picture = null;
    suggest();
  }
}

/** Offer what fits the model's inputs, each time that they are others. */
function offerInputs(described) {
  inputs = inputsOf(described);
  const image = imageInput();
  const forms = [["file", "the picture's bytes"]];
  if (image) forms.unshift(["numbers", `numbers, ${[image.channels, image.height, image.width].filter(Boolean).join(" × ")}`]);
  $("image-form").replaceChildren(...forms.map(([value, words]) => Object.assign(make("option", "", words), { value })));
  if (!isJsonTouched) $("json").value = skeleton();
  suggest();
}

function offerCases() {
  $("case").replaceChildren(...offered.cases.map((golden) => make("option", "", golden.name)));
  $("no-case").hidden = offered.cases.length > 0;
  document.querySelector(`[name=kind][value=${offered.cases.length ? "case" : "json"}]`).checked = true;
  suggest();
}

$("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("send").disabled = true;
  await send();
  $("send").disabled = false;
});
$("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("ask").requestSubmit();
});
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(await showCurl());
  $("copied").textContent = "copied";
});
for (const choice of document.querySelectorAll("[name=kind]")) choice.addEventListener("change", suggest);
for (const id of ["case", "file", "image-form"]) $(id).addEventListener("change", suggest);
for (const id of ["text", "content-type", "accept"]) $(id).addEventListener("input", showChoice);
$("json").addEventListener("input", () => { isJsonTouched = true; showChoice(); });
$("image").addEventListener("change", () => { if ($("image").files.length) takePicture($("image").files[0]); });
$("pad").addEventListener("pointermove", drawOnPad);
$("pad").addEventListener("pointerup", showCurl);
$("pad-clear").addEventListener("click", () => { clearPad(); $("image").value = ""; suggest(); });
const dropZone = document.querySelector("[data-kind=image]");
for (const name of ["dragover", "dragleave", "drop"]) {
  dropZone.addEventListener(name, (event) => {
    event.preventDefault();
    dropZone.classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files.length) takePicture(event.dataTransfer.files[0]);
  });
}
clearPad();
