"use strict";

// Tables: a click on a header sorts by it, best first, then the other way round; missing values stay last.

function sortBy(header) {
  const body = header.closest("table").tBodies[0];
  const column = header.cellIndex;
  const flipped = { ascending: "descending", descending: "ascending" };
  const direction = flipped[header.ariaSort] ?? header.dataset.first;
  for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const rows = [...body.rows].sort((a, b) => compare(a.cells[column], b.cells[column], sign));
  body.append(...rows);
}

function compare(a, b, sign) {
  if (a.tagName === "TH") return sign * a.textContent.localeCompare(b.textContent, "en", { numeric: true });
  const [x, y] = [a.dataset.value, b.dataset.value];
  if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
  return sign * (x - y);
}

for (const button of document.querySelectorAll("table.scores thead button")) {
  button.addEventListener("click", () => sortBy(button.parentNode));
  button.addEventListener("focus", () => {
    if (button.matches(":focus-visible")) button.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
}

// Image browsers: rows are made from JSON when they come near the view, and dropped when they leave it.

const shown = new WeakMap(); // button -> the image and column it shows
let current = null; // the button whose picture is in the viewer

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function picture(src, alt) {
  return make("img", { src, alt, decoding: "async" });
}

function fill(body) {
  if (body.filled) return;
  body.filled = true;
  const columns = [...body.closest("table").tHead.rows[0].cells].slice(3);
  body.rows[0].remove();
  body.append(...wantedRows(body).map((row) => makeRow(row, columns)));
  keepTabStop(body.closest("table"));
}

function makeRow(row, columns) {
  const words = row.image.split(/(?<=[_/-])/).flatMap((word) => [word, make("wbr")]);
  const head = make("th", { scope: "row" }, ...words);
  const given = ["truth", "measurement"].map((name) => make("td", {}, picture(row[name], `${name} of ${row.image}`)));
  const cells = row.cells.map((cell, i) => {
    const { textContent, hidden } = columns[i];
    if (typeof cell === "string") return make("td", { className: "none", hidden }, cell);
    return make("td", { hidden }, button(cell, textContent, row));
  });
  return make("tr", {}, head, ...given, ...cells);
}

function button(cell, solver, row) {
  const title = `${row.image}, ${solver}`;
  const element = make("button", { type: "button", tabIndex: -1 }, picture(cell.src, title), cell.caption);
  shown.set(element, { ...cell, title, solver, truth: row.truth, measurement: row.measurement });
  return element;
}

function drop(body) {
  if (!body.filled || body.contains(current) || body.contains(document.activeElement)) return;
  empty(body, `${body.offsetHeight}px`);
}

function empty(body, height) {
  body.filled = false;
  const space = make("tr", {}, make("td"));
  space.style.height = height;
  body.replaceChildren(space, body.querySelector("script"));
  keepTabStop(body.closest("table"));
}

// Filters: images and solvers whose name has one of the words.

function matcher(input) {
  const words = input.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
  return (name) => !words.length || words.some((word) => name.toLowerCase().includes(word));
}

function wantedRows(body) {
  const matches = matcher(body.closest(".browser").previousElementSibling.elements.images);
  return JSON.parse(body.querySelector("script").textContent).filter((row) => matches(row.image));
}

function narrow(box, form) {
  const table = box.firstElementChild;
  const matches = matcher(form.elements.solvers);
  for (const head of [...table.tHead.rows[0].cells].slice(3)) head.hidden = !matches(head.textContent);
  let found = 0;
  for (const body of table.tBodies) {
    const { length } = wantedRows(body);
    empty(body, `calc(${length} * var(--row))`);
    body.hidden = !length;
    found += length;
  }
  box.scrollTo(0, 0);
  form.querySelector("output").textContent = `${found.toLocaleString("en")} image${found === 1 ? "" : "s"}`;
}

const FREE = "td:not([hidden]) > button";

function keepTabStop(table, wanted = table.querySelector('button[tabindex="0"]') ?? table.querySelector(FREE)) {
  for (const old of table.querySelectorAll('button[tabindex="0"]')) old.tabIndex = -1;
  if (wanted) wanted.tabIndex = 0;
}

// The nearest button to the right (or left, below, above) of one; null at the edge.
function neighbour(from, [right, down]) {
  const bodies = [...from.closest("table").tBodies];
  let [column, row, body] = [from.closest("td").cellIndex, from.closest("tr"), from.closest("tbody")];
  for (;;) {
    column += right;
    if (down) {
      const next = [...body.rows].indexOf(row) + down;
      if (!body.rows[next]) {
        do body = bodies[bodies.indexOf(body) + down];
        while (body?.hidden);
        if (!body) return null;
        fill(body);
      }
      row = body.rows[next] ?? body.rows[down > 0 ? 0 : body.rows.length - 1];
    }
    if (!row.cells[column]) return null;
    const found = row.cells[column].querySelector("button");
    if (found && !row.cells[column].hidden) return found;
  }
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function onArrow(event, from, go) {
  const step = STEPS[event.key];
  if (!step || !from) return;
  event.preventDefault();
  const next = neighbour(from, step);
  if (next) go(next);
}

function focusOn(element) {
  element.scrollIntoView({ block: "nearest", inline: "nearest" });
  element.focus({ preventScroll: true });
}

for (const box of document.querySelectorAll(".browser")) {
  const seen = new IntersectionObserver(
    (entries) => entries.forEach((entry) => (entry.isIntersecting ? fill : drop)(entry.target)),
    { root: box, rootMargin: "300px 0px" },
  );
  // A box that is itself far from the view holds no pictures.
  const bodies = [...box.querySelectorAll("tbody")];
  const watch = ([entry]) => {
    if (entry.isIntersecting) return bodies.forEach((body) => seen.observe(body));
    seen.disconnect();
    bodies.forEach(drop);
  };
  new IntersectionObserver(watch, { rootMargin: "300px 0px" }).observe(box);
  const form = box.previousElementSibling;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    narrow(box, form);
    seen.disconnect();
    bodies.forEach((body) => seen.observe(body));
  });
  box.addEventListener("click", (event) => {
    const chosen = event.target.closest("button");
    if (chosen) view(chosen);
  });
  box.addEventListener("keydown", (event) => onArrow(event, event.target.closest("td button"), focusOn));
  box.addEventListener("focusin", (event) => {
    if (shown.has(event.target)) keepTabStop(box.firstElementChild, event.target);
  });
}

addEventListener("beforeprint", () => document.querySelectorAll(".browser tbody:first-of-type").forEach(fill));

// The viewer: one picture with its truth, measurement, error and scores.

const viewer = document.getElementById("viewer");

function view(element) {
  current = element;
  const { title, solver, truth, measurement, src, scores } = shown.get(element);
  document.getElementById("viewer-title").textContent = title;
  const images = [truth, measurement, src].map((each) => picture(each, ""));
  const error = make("canvas", { role: "img", ariaLabel: "error map" });
  const figures = ["truth", "measurement", solver, "error"].map((name, i) =>
    make("figure", {}, images[i] ?? error, make("figcaption", {}, name)),
  );
  viewer.querySelector(".pictures").replaceChildren(...figures);
  drawError(error, images[0], images[2]);
  const lines = scores.map((texts) => make("tr", {}, ...texts.map((text) => make("td", {}, text))));
  viewer.querySelector("tbody").replaceChildren(...lines);
  for (const each of viewer.querySelectorAll("[data-step]")) each.disabled = !neighbour(element, stepOf(each));
  if (!viewer.open) viewer.showModal();
}

function stepOf(element) {
  return element.dataset.step.split(" ").map(Number);
}

const GAIN = 4; // 255 / 4 of 255 on [0,1] is 0.5 on [-1,1]

async function drawError(canvas, ...images) {
  await Promise.all(images.map((image) => image.decode()));
  const [truth, found] = images.map(pixels);
  for (let i = 0; i < found.data.length; i += 4) {
    const sum = [0, 1, 2].reduce((total, c) => total + Math.abs(found.data[i + c] - truth.data[i + c]), 0);
    found.data.fill((GAIN * sum) / 3, i, i + 3);
  }
  Object.assign(canvas, { width: found.width, height: found.height });
  canvas.getContext("2d").putImageData(found, 0, 0);
}

function pixels(image) {
  const context = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
}

viewer.addEventListener("keydown", (event) => onArrow(event, current, view));
viewer.addEventListener("click", (event) => {
  if (event.target === viewer || event.target.closest("[data-close]")) viewer.close();
  const step = event.target.closest("[data-step]");
  if (step) view(neighbour(current, stepOf(step)));
});
viewer.addEventListener("close", () => {
  focusOn(current);
  current = null;
});
