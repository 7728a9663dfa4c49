"""The canvas of the viewer: one anywidget, no build step, no code from the network.

The values of a slice go to the browser once, as numbers; window and level are applied there, so that a drag redraws
without a word to the kernel, which is told where it ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

    from nbdicom.notebook.images import Frame

__all__ = ["canvas"]

_MODULE = r"""
function values(model) {
  const bytes = model.get("pixels"), kind = model.get("kind");
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return kind === "int16" ? new Int16Array(buffer) : kind === "float32" ? new Float32Array(buffer) : new Uint8Array(buffer);
}
function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.className = "nbd-canvas"; canvas.tabIndex = 0; canvas.setAttribute("role", "img");
  canvas.style.cssText =
    "max-width:100%;background:#000;touch-action:none;outline-offset:2px;display:block;cursor:crosshair";
  canvas.title = "Drag: window and level. Wheel or arrow keys: slices.";
  el.appendChild(canvas);
  let data = null, drawn = 0, waiting = false, wanted = null;
  function load() { data = values(model); soon(); }
  function draw() {
    const width = model.get("columns"), height = model.get("rows");
    if (!data || !width || !height) return;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    canvas.style.width = model.get("size") + "px";
    canvas.style.aspectRatio = width + " / " + height * model.get("aspect");
    const context = canvas.getContext("2d"), image = context.createImageData(width, height), out = image.data;
    const count = width * height;
    if (model.get("kind") === "rgb") {
      for (let i = 0, j = 0; i < count; i++, j += 3) {
        out[4 * i] = data[j]; out[4 * i + 1] = data[j + 1]; out[4 * i + 2] = data[j + 2]; out[4 * i + 3] = 255;
      }
    } else {
      const w = Math.max(model.get("width"), 1e-9), low = model.get("centre") - w / 2, scale = 255 / w;
      const invert = model.get("inverted");
      for (let i = 0; i < count; i++) {
        let g = (data[i] - low) * scale;
        if (invert) g = 255 - g;
        out[4 * i] = out[4 * i + 1] = out[4 * i + 2] = g; out[4 * i + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
    canvas.setAttribute("aria-label", model.get("words"));
    canvas.dataset.drawn = ++drawn; canvas.dataset.index = model.get("index");
  }
  function soon() { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; draw(); }); } }
  model.on("change:pixels", load);
  for (const name of ["centre", "width", "inverted", "words"]) model.on("change:" + name, soon);
  let start = null;
  canvas.onpointerdown = event => {
    if (model.get("kind") === "rgb") return;
    start = [event.clientX, event.clientY, model.get("width"), model.get("centre")];
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = event => {
    if (!start) return;
    const step = Math.max(start[2] / 256, 0.01);
    model.set("width", Math.max(step, start[2] + step * (event.clientX - start[0])));
    model.set("centre", start[3] + step * (event.clientY - start[1]));
  };
  canvas.onpointerup = canvas.onpointercancel = () => { if (start) { start = null; model.save_changes(); } };
  function go(step) {
    const last = model.get("count") - 1, next = Math.min(last, Math.max(0, (wanted ?? model.get("index")) + step));
    if (next === model.get("index")) return;
    wanted = next; model.set("index", next); model.save_changes();
  }
  model.on("change:index", () => { wanted = null; });
  let turned = 0;
  canvas.addEventListener("wheel", event => {
    event.preventDefault(); turned += event.deltaY;
    const steps = Math.trunc(turned / 40); if (steps) { turned -= 40 * steps; go(Math.sign(steps)); }
  }, { passive: false });
  canvas.onkeydown = event => {
    const step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (step) { event.preventDefault(); event.stopPropagation(); go(step); }
  };
  load();
}
export default { render };
"""


def canvas(size: int) -> Any:
    """A canvas of *size* pixels of the screen; ``put`` shows a frame."""
    import anywidget
    import numpy
    import traitlets

    class Canvas(anywidget.AnyWidget):  # type: ignore[misc]
        _esm = _MODULE
        pixels = traitlets.Bytes(b"").tag(sync=True)
        kind = traitlets.Unicode("int16").tag(sync=True)
        rows = traitlets.Int(0).tag(sync=True)
        columns = traitlets.Int(0).tag(sync=True)
        aspect = traitlets.Float(1.0).tag(sync=True)
        size = traitlets.Int(512).tag(sync=True)
        centre = traitlets.Float(0.0).tag(sync=True)
        width = traitlets.Float(1.0).tag(sync=True)
        inverted = traitlets.Bool(False).tag(sync=True)
        words = traitlets.Unicode("").tag(sync=True)
        index = traitlets.Int(0).tag(sync=True)
        count = traitlets.Int(1).tag(sync=True)

        def put(
            self,
            frame: Frame,
            values: numpy.ndarray[Any, Any],
            index: int,
            window: tuple[float, float] | None,
            words: str,
            count: int,
        ) -> None:
            from nbdicom.notebook.images import aspect

            if window is None:
                kind, numbers = "rgb", values
            elif _fits(values):
                kind, numbers = "int16", values.astype(numpy.int16)
            else:
                kind, numbers = "float32", values.astype(numpy.float32)
            with self.hold_sync():
                self.kind, self.rows, self.columns = kind, int(values.shape[0]), int(values.shape[1])
                self.aspect = aspect(frame.header)
                self.inverted = frame.header.get("PhotometricInterpretation") == "MONOCHROME1"
                if window is not None:
                    self.centre, self.width = window
                self.index, self.count, self.words = index, count, words
                self.pixels = numpy.ascontiguousarray(numbers).tobytes()

    def _fits(values: numpy.ndarray[Any, Any]) -> bool:
        """Whether they are whole numbers of 16 bits, as those of nearly every CT and MR are."""
        if values.min() < -32768 or values.max() > 32767:
            return False
        return values.dtype.kind in "iu" or bool((values == numpy.rint(values)).all())

    return Canvas(size=size)
