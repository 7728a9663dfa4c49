// The image viewer in the browser: which slices are here, which one is shown, and how.
//
// A `Film` belongs to a widget.  It keeps the slices nearest to the one that is wanted, as many as there is room for, and asks
// the kernel for the nearest one that it lacks, for the next one when the last has come.  What is asked for follows from where
// one is by then, so a drag over a thousand slices leaves no queue behind.
// `render` makes what is seen: slider, player, picture.  Each display of the widget has these for itself, over the same film.

const ARRAYS = {
  uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array, float32: Float32Array, rgb: Uint8Array,
};
const UNDER_WAY = 1; // slices that are fetched ahead at a time: the one that is wanted waits for those that are on their way
const LOST = 10_000; // milliseconds, after which an answer is no longer waited for
const SLOW = 1000; // milliseconds for one answer, with which only the neighbours are fetched ahead
const NEIGHBOURS = 16; // slices that are fetched at any time; the others when somebody has touched the viewer, and rests
const PERIOD = 100; // milliseconds between two words to the kernel about where one is

class Film {
  constructor(model) {
    this.model = model;
    this.displays = new Set();
    this.timer = this.player = null;
    this.touched = this.slow = this.news = this.leapt = false;
    this.open();
    model.on("change:series", () => this.open());
    model.on("change:index", () => this.go(model.get("index")));
    model.on("change:window", () => this.look(model.get("window")));
    model.on("msg:custom", (content, buffers) => this.arrived(content, buffers));
  }

  open() {
    this.held = new Map();
    this.asked = new Map(); // slice -> when
    this.bytes = this.one = 0;
    this.shown = null;
    this.direction = 1;
    this.count = this.model.get("count");
    this.wanted = this.start = this.model.get("index");
    this.window = this.model.get("window");
    this.play(false);
    this.ask();
  }

  // ---- which slice, which window

  get last() { return this.count - 1; }

  go(index) {
    index = Math.min(this.last, Math.max(0, index));
    if (!Number.isInteger(index) || index === this.wanted) return;
    this.direction = Math.sign(index - this.wanted);
    this.leapt = Math.abs(index - this.wanted) > 3;
    this.wanted = index;
    if (this.held.has(index)) this.shown = this.held.get(index);
    this.ask();
    this.changed();
  }

  look(window) {
    this.window = window;
    this.changed();
  }

  /** Centre and width for a slice: those that were set, or those that it brings along. */
  windowOf(frame) { return typeof this.window === "string" ? frame[this.window] : this.window; }

  changed() {
    for (const draw of this.displays) draw();
    this.news = true;
    if (this.timer === null) this.tell();
  }

  /** The kernel hears where one is: at once, then now and then, and at last. */
  tell() {
    this.timer = this.news ? setTimeout(() => this.tell(), PERIOD) : null;
    if (!this.news) return this.ask();
    this.news = false;
    this.model.set("index", this.wanted);
    this.model.set("window", this.window);
    this.model.save_changes();
  }

  // ---- the player

  play(on) {
    clearTimeout(this.player);
    this.player = null;
    if (on) {
      this.touch();
      if (this.wanted === this.last) this.go(0);
      this.due = performance.now();
      this.turn();
    }
    this.changed();
  }

  turn() {
    const now = performance.now();
    this.due = Math.max(now, this.due + 1000 / this.model.get("rate"));
    this.player = setTimeout(() => {
      if (this.shown?.index !== this.wanted) return this.turn(); // it waits for a slice that is not here yet
      if (this.wanted < this.last) this.go(this.wanted + 1);
      else if (this.again) this.go(0);
      else return this.play(false);
      this.direction = 1;
      this.turn();
    }, this.due - now);
  }

  // ---- which slices are here

  /** How far away a slice is: what lies behind counts three times. */
  distance(index) {
    const ahead = (index - this.wanted) * this.direction;
    return ahead < 0 ? -3 * ahead : ahead;
  }

  farthest() {
    let found = this.wanted;
    for (const index of this.held.keys()) if (this.distance(index) > this.distance(found)) found = index;
    return found;
  }

  /** The nearest slice that is neither here nor on its way; none if there is no room for it, or somebody waits for another. */
  missing() {
    if (this.asked.has(this.wanted)) return null;
    let found = null;
    for (let index = 0; index < this.count; index++)
      if (!this.held.has(index) && !this.asked.has(index))
        if (found === null || this.distance(index) < this.distance(found)) found = index;
    if (found === null || found === this.wanted) return found;
    // While somebody moves, the hand has the browser for itself: only neighbours are fetched, and on a leap not even those.
    const resting = this.touched && !this.slow ? Infinity : NEIGHBOURS, moving = this.leapt ? 0 : NEIGHBOURS;
    if (this.distance(found) > (this.timer === null ? resting : moving)) return null;
    const fits = this.bytes + this.one * (this.asked.size + 1) <= this.model.get("room");
    return fits || this.distance(found) < this.distance(this.farthest()) ? found : null;
  }

  ask() {
    if (!this.displays.size) return;
    const now = performance.now(), frames = [];
    for (const [index, when] of this.asked) if (now - when > LOST) this.asked.delete(index);
    for (;;) {
      const index = this.missing();
      // The one that is wanted has a place of its own.
      if (index === null || this.asked.size >= UNDER_WAY + (index === this.wanted)) break;
      this.asked.set(index, now);
      frames.push(index);
    }
    if (frames.length) this.model.send({ series: this.model.get("series"), frames });
  }

  arrived(content, buffers) {
    if (content.series !== this.model.get("series")) return;
    const { index } = content, frame = { ...content, bytes: 0 };
    if (buffers.length) {
      const { buffer, byteOffset, byteLength } = buffers[0];
      // A copy, because the message has more in it, and its numbers may stand at an odd place.
      frame.pixels = new ARRAYS[frame.kind](buffer.slice(byteOffset, byteOffset + byteLength));
      frame.bytes = this.one = byteLength;
    }
    this.slow = performance.now() - (this.asked.get(index) ?? Infinity) > SLOW;
    this.asked.delete(index);
    this.bytes += frame.bytes - (this.held.get(index)?.bytes ?? 0);
    this.held.set(index, frame);
    while (this.bytes > this.model.get("room") && this.held.size > 1) {
      const away = this.farthest();
      this.bytes -= this.held.get(away).bytes;
      this.held.delete(away);
    }
    // Of those that were passed on a quick drag, what lies on the way from the last picture is shown, too: never backwards.
    const from = this.shown ? this.shown.index : this.start;
    if (index === this.wanted || (index - from) * (this.wanted - index) > 0) {
      this.shown = frame;
      for (const draw of this.displays) draw();
    }
    this.ask();
  }

  /** Nobody looks any more, as when the cell runs again: neither side keeps slices; whoever comes back asks anew. */
  leave() {
    this.play(false);
    this.held.clear();
    this.asked.clear();
    this.bytes = 0;
    this.model.send({ series: this.model.get("series"), left: true });
  }

  /** Somebody is here: from now on all is fetched ahead that there is room for. */
  touch() {
    if (this.touched) return;
    this.touched = true;
    this.ask();
  }
}

// ---- the picture

/** Makes pixels of a slice; a table of all values of 8 or 16 bits is kept until the window changes. */
class Painter {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
  }

  paint(frame, window) {
    const { rows, columns } = frame;
    if (this.image?.width !== columns || this.image.height !== rows) {
      this.canvas.width = columns;
      this.canvas.height = rows;
      this.canvas.style.aspectRatio = `${columns} / ${rows * frame.aspect}`;
      this.image = this.context.createImageData(columns, rows);
      this.out = new Uint32Array(this.image.data.buffer);
    }
    const { out } = this, { pixels } = frame;
    if (frame.kind === "rgb") {
      for (let i = 0, j = 0; i < out.length; i++, j += 3)
        out[i] = 0xff000000 | (pixels[j + 2] << 16) | (pixels[j + 1] << 8) | pixels[j];
    } else {
      const shade = shades(frame, window);
      if (frame.kind === "float32") for (let i = 0; i < out.length; i++) out[i] = shade(pixels[i]);
      else {
        const table = this.table(frame, shade, String(window));
        const bits = pixels.BYTES_PER_ELEMENT === 1 ? Uint8Array : Uint16Array;
        const places = new bits(pixels.buffer);
        for (let i = 0; i < out.length; i++) out[i] = table[places[i]];
      }
    }
    this.context.putImageData(this.image, 0, 0);
  }

  /** What each pattern of bits looks like. */
  table(frame, shade, window) {
    const key = [frame.kind, frame.slope, frame.intercept, frame.inverted, window].join();
    if (this.key !== key) {
      this.key = key;
      const count = 1 << (8 * frame.pixels.BYTES_PER_ELEMENT), signed = frame.kind.startsWith("int");
      this.entries = Uint32Array.from({ length: count }, (_, k) => shade(signed && k >= count / 2 ? k - count : k));
    }
    return this.entries;
  }
}

/** The grey of a stored value: its line to the units of the modality, then the window, as one line. */
function shades(frame, [centre, width]) {
  const gain = 255 / Math.max(width, 1e-9);
  const slope = frame.slope * gain, intercept = (frame.intercept - centre + width / 2) * gain, { inverted } = frame;
  return stored => {
    const grey = Math.min(255, Math.max(0, stored * slope + intercept));
    return 0xff000000 | (Math.round(inverted ? 255 - grey : grey) * 0x010101);
  };
}

// ---- what is seen

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function render(film, model, el) {
  const slider = element("input", { type: "range", className: "nbd-slider", min: 1, ariaLabel: "Slice" });
  const number = element("input", { type: "number", min: 1, ariaLabel: "Number of the slice" });
  const total = element("span", {});
  const sign = element("i", {}), word = element("span", {});
  const play = element("button", { className: "jupyter-widgets jupyter-button widget-button" }, sign, word);
  const rate = element("input", { type: "number", min: 1, max: 50 });
  const again = element("input", { type: "checkbox" });
  const canvas = element("canvas", { className: "nbd-canvas", tabIndex: 0, role: "img" });
  canvas.title = "Drag: window and level. Wheel or arrow keys: slices. Space: play.";
  const status = element("div", { className: "nbd-status", role: "status", ariaLive: "polite" });
  const problem = element("div", { className: "nbd-message", role: "alert" });
  const slices = element("div", { className: "nbd-bar" }, slider, number, total);
  const player = element("div", { className: "nbd-bar" }, play, element("label", {}, "Frames per second", rate),
    element("label", {}, again, "again and again"));
  el.classList.add("nbd-viewer");
  el.style.setProperty("--nbd-size", `${model.get("size")}px`);
  el.append(slices, player, canvas, status, problem);

  const painter = new Painter(canvas);
  const rated = () => { rate.value = model.get("rate"); };
  let drawn = 0, waiting = false, typing = false;

  function draw() {
    waiting = false;
    const { shown, wanted, count } = film, playing = film.player !== null;
    slices.hidden = player.hidden = count < 2;
    slider.max = number.max = count;
    slider.value = wanted + 1;
    if (!typing) number.value = wanted + 1;
    total.textContent = `of ${count}`;
    sign.className = `fa fa-${playing ? "pause" : "play"}`;
    word.textContent = playing ? "Pause" : "Play";
    canvas.classList.toggle("nbd-late", shown?.index !== wanted);
    if (!shown) {
      canvas.ariaLabel = model.get("words");
      return;
    }
    const window = shown.kind && shown.kind !== "rgb" ? film.windowOf(shown) : null;
    const place = `${shown.words}; ${shown.index + 1} of ${count}`;
    canvas.ariaLabel = place;
    status.ariaLive = playing ? "off" : "polite"; // ten slices a second are seen, and not read out
    status.textContent = window ? `${place}; window ${window.map(one => +one.toFixed(2)).join(", ")}` : place;
    problem.textContent = shown.problem ? `\u26a0 ${shown.problem}` : "";
    canvas.hidden = !!shown.problem;
    if (shown.problem) return;
    painter.paint(shown, window);
    canvas.dataset.index = shown.index;
    canvas.dataset.drawn = ++drawn;
  }
  function soon() {
    if (!waiting) { waiting = true; requestAnimationFrame(draw); }
  }

  slider.oninput = () => film.go(slider.value - 1);
  number.oninput = () => { typing = true; };
  number.onchange = () => {
    typing = false;
    film.go(Math.round(number.value) - 1);
    soon();
  };
  play.onclick = () => film.play(film.player === null);
  rate.onchange = () => {
    model.set("rate", Math.min(50, Math.max(1, Math.round(rate.value) || 1)));
    model.save_changes();
    rated();
  };
  // Enter says that a number is complete; not every front end lets the browser see it.
  for (const input of [number, rate]) input.onkeydown = event => { if (event.key === "Enter") input.onchange(); };
  again.onchange = () => { film.again = again.checked; };
  el.onpointerenter = el.onfocus = () => film.touch();
  el.addEventListener("focusin", () => film.touch());

  // The same keys on the picture and in the slider.
  const keys = {
    ArrowUp: () => film.wanted - 1, ArrowLeft: () => film.wanted - 1, PageUp: () => film.wanted - 10, Home: () => 0,
    ArrowDown: () => film.wanted + 1, ArrowRight: () => film.wanted + 1, PageDown: () => film.wanted + 10,
    End: () => film.last,
  };
  canvas.onkeydown = slider.onkeydown = event => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === " ") film.play(film.player === null);
    else if (event.key in keys) film.go(keys[event.key]());
    else return;
    event.preventDefault();
  };
  // In the notebook around it a single key may be a command: without this, an x on the picture cuts the cell.
  el.addEventListener("keydown", event => {
    const single = event.key.length === 1 || event.key in keys;
    if (single && !event.ctrlKey && !event.altKey && !event.metaKey) event.stopPropagation();
  });
  let turned = 0;
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    turned += event.deltaY;
    const steps = Math.trunc(turned / 40);
    turned -= 40 * steps;
    film.go(film.wanted + Math.sign(steps));
  }, { passive: false });

  let start = null; // of a drag: where, and with which window
  canvas.onpointerdown = event => {
    if (event.button !== 0 || !film.shown || film.shown.kind === "rgb") return;
    start = [event.clientX, event.clientY, ...film.windowOf(film.shown)];
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = event => {
    if (!start) return;
    const [x, y, centre, width] = start, step = Math.max(width / 256, 0.01);
    const moved = [centre + step * (event.clientY - y), Math.max(step, width + step * (event.clientX - x))];
    film.look(moved.map(one => +one.toPrecision(5)));
  };
  canvas.onpointerup = canvas.onpointercancel = () => { start = null; };

  rated();
  model.on("change:rate", rated);
  film.displays.add(soon);
  film.ask();
  soon();
  return () => {
    film.displays.delete(soon);
    model.off("change:rate", rated);
    if (!film.displays.size) film.leave();
  };
}

export default () => {
  let film;
  return {
    initialize({ model }) { film = new Film(model); },
    render({ model, el }) { return render(film, model, el); },
  };
};
