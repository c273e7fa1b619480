"use strict";
(function () {
  const SECOND = 1e9;
  const figures = [...document.querySelectorAll("figure.picture")].map(open);
  const tip = document.getElementById("tip");
  let shown = figures[0];

  // Each thing that lasts or happens carries its times in nanoseconds; its place
  // is computed from them again after each zoom.
  function open(root) {
    const d = root.dataset;
    const f = {
      root, plot: root.querySelector(".plot"), inner: root.querySelector(".inner"),
      ticks: root.querySelector(".ticks"), overview: root.querySelector(".overview"), window: root.querySelector(".window"),
      from: +d.from, to: +d.to, a: +d.viewFrom, b: +d.viewTo, home: [+d.viewFrom, +d.viewTo],
      end: +d.end, width: +d.plot, gutter: +d.gutter,
      boxes: [], labels: [], marks: [], pending: false,
    };
    f.height = f.plot.viewBox.baseVal.height;
    f.axis = +(root.querySelector(".lane") || { getAttribute: () => 22 }).getAttribute("y");
    const item = (el) => ({ el, a: +el.dataset.a, b: +el.dataset.b, hidden: false });
    for (const el of f.inner.querySelectorAll("rect[data-a]")) {
      const it = item(el);
      it.least = el.classList.contains("outline") ? 6 : el.classList.contains("veil") ? 3 : 1.5;
      f.boxes.push(it);
    }
    for (const el of f.inner.querySelectorAll("text[data-a]")) {
      const it = item(el);
      it.words = [el.dataset.long, el.dataset.short].filter(Boolean);
      it.needs = it.words.map((words) => [...words].length * 6.2 + 8);
      it.row = el.dataset.row;
      it.tight = el.classList.contains("on-hold");
      f.labels.push(it);
    }
    for (const el of f.inner.querySelectorAll("use[data-a]")) {
      const it = item(el);
      it.y = el.dataset.y;
      f.marks.push(it);
    }
    for (const title of root.querySelectorAll("title")) {
      title.parentNode.dataset.tip = title.textContent;
      title.remove();
    }
    return f;
  }

  const show = (it, visible) => {
    if (it.hidden === visible) {
      it.hidden = !visible;
      it.el.style.display = visible ? "" : "none";
    }
    return visible;
  };

  function layout(f) {
    f.pending = false;
    const k = f.width / (f.b - f.a);
    const x = (t) => Math.min(Math.max((t - f.a) * k, -f.width), 2 * f.width);
    for (const it of f.boxes) {
      const left = x(it.a), width = Math.max(x(it.b) - left, it.least);
      if (!show(it, left < f.width && left + width > 0)) continue;
      it.el.setAttribute("x", left.toFixed(1));
      it.el.setAttribute("width", width.toFixed(1));
    }
    for (const it of f.marks) {
      if (!show(it, it.a >= f.a && it.a <= f.b)) continue;
      it.el.setAttribute("transform", "translate(" + x(it.a).toFixed(1) + " " + it.y + ")");
    }
    let row = null, free = -1;
    for (const it of f.labels) {
      if (it.row !== row) { row = it.row; free = -1; }
      const left = Math.max(0, x(it.a)), right = Math.min(f.width, x(it.b));
      const fit = it.needs.findIndex((need) =>
        right > 0 && left + need <= f.width && left >= free && !(it.tight && right - left < need));
      it.el.setAttribute("visibility", fit >= 0 ? "visible" : "hidden");
      if (fit < 0) continue;
      if (it.el.textContent !== it.words[fit]) it.el.textContent = it.words[fit];
      it.el.setAttribute("x", (left + 3).toFixed(1));
      free = left + it.needs[fit];
    }
    axis(f, x);
    if (f.window) {
      f.window.setAttribute("x", (f.a / f.end * f.width).toFixed(1));
      f.window.setAttribute("width", Math.max(2, (f.b - f.a) / f.end * f.width).toFixed(1));
    }
    const range = document.getElementById("range");
    if (range && f === shown) range.textContent = seconds(f.a) + " to " + seconds(f.b);
  }

  const seconds = (t) => (t / SECOND).toFixed(3) + " s";

  function axis(f, x) {
    const length = f.b - f.a;
    let step = 1, decimals = 9;
    search: for (; ; step *= 10, decimals = Math.max(0, decimals - 1)) {
      for (const m of [1, 2, 5]) {
        if (length / (step * m) <= 10) { step *= m; break search; }
      }
    }
    f.ticks.replaceChildren();
    for (let t = Math.ceil(f.a / step) * step; t <= f.b; t += step) {
      const at = x(t).toFixed(1);
      f.ticks.append(svg("line", { x1: at, x2: at, y1: f.axis, y2: f.height }));
      const text = svg("text", { x: at, y: 14 });
      text.textContent = (t / SECOND).toFixed(decimals) + " s";
      const half = text.textContent.length * 3.2;
      if (at < half) text.setAttribute("class", "first");
      else if (at > f.width - half) text.setAttribute("class", "last");
      f.ticks.append(text);
    }
  }

  function svg(name, attributes) {
    const el = document.createElementNS(document.querySelector("svg").namespaceURI, name);
    for (const key in attributes) el.setAttribute(key, attributes[key]);
    return el;
  }

  function look(f, a, b) {
    const least = 1000, most = f.to - f.from;
    const length = Math.min(Math.max(b - a, Math.min(least, most)), most);
    const middle = (a + b) / 2;
    f.a = Math.min(Math.max(middle - length / 2, f.from), f.to - length);
    f.b = f.a + length;
    if (!f.pending) {
      f.pending = true;
      requestAnimationFrame(() => layout(f));
    }
  }

  function zoom(f, factor, at) {
    const middle = at === undefined ? (f.a + f.b) / 2 : at;
    look(f, middle - (middle - f.a) * factor, middle + (f.b - middle) * factor);
  }

  const move = (f, part) => look(f, f.a + (f.b - f.a) * part, f.b + (f.b - f.a) * part);

  const actions = {
    in: (f) => zoom(f, 0.5), out: (f) => zoom(f, 2), left: (f) => move(f, -0.3), right: (f) => move(f, 0.3),
    all: (f) => look(f, f.from, f.to), home: (f) => look(f, f.home[0], f.home[1]),
  };
  const keys = { "+": "in", "=": "in", "-": "out", "0": "all", ArrowLeft: "left", ArrowRight: "right", v: "home" };

  // The time under the pointer; rect is the svg's place on the screen.
  function timeAt(f, svgElement, clientX, from, to) {
    const rect = svgElement.getBoundingClientRect();
    const unit = rect.width / (f.width + f.gutter);
    return from + ((clientX - rect.left) / unit - f.gutter) / f.width * (to - from);
  }

  function listen(f) {
    f.plot.addEventListener("wheel", (e) => {
      if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) move(f, Math.sign(e.deltaX || e.deltaY) * 0.1);
      else zoom(f, e.deltaY > 0 ? 1.25 : 0.8, timeAt(f, f.plot, e.clientX, f.a, f.b));
      e.preventDefault();
    }, { passive: false });
    f.plot.addEventListener("pointerdown", (e) => {
      if (e.button !== 0) return;
      f.drag = { x: e.clientX, a: f.a, b: f.b };
      f.plot.setPointerCapture(e.pointerId);
      f.plot.classList.add("dragging");
    });
    f.plot.addEventListener("pointermove", (e) => {
      if (!f.drag) return;
      const unit = f.plot.getBoundingClientRect().width / (f.width + f.gutter);
      const by = (f.drag.x - e.clientX) / unit / f.width * (f.drag.b - f.drag.a);
      look(f, f.drag.a + by, f.drag.b + by);
    });
    const drop = () => { f.drag = null; f.plot.classList.remove("dragging"); };
    f.plot.addEventListener("pointerup", drop);
    f.plot.addEventListener("pointercancel", drop);
    f.plot.addEventListener("dblclick", (e) => zoom(f, 0.4, timeAt(f, f.plot, e.clientX, f.a, f.b)));
    if (!f.overview) return;
    const jump = (e) => {
      const at = timeAt(f, f.overview, e.clientX, 0, f.end), half = (f.b - f.a) / 2;
      look(f, at - half, at + half);
    };
    f.overview.addEventListener("pointerdown", (e) => { f.overview.setPointerCapture(e.pointerId); jump(e); });
    f.overview.addEventListener("pointermove", (e) => { if (e.buttons & 1) jump(e); });
  }

  function select(index) {
    const chosen = figures.find((f) => f.root.dataset.index === String(index));
    if (!chosen) return;
    shown = chosen;
    for (const f of figures) f.root.hidden = f !== shown;
    const chooser = document.getElementById("lock");
    if (chooser) chooser.value = String(index);
    layout(shown);
  }

  function showTip(e) {
    const el = e.target instanceof Element ? e.target.closest("[data-tip]") : null;
    if (!el || (shown && shown.drag)) { tip.hidden = true; return; }
    tip.textContent = el.dataset.tip;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(e.clientX + 14, innerWidth - box.width - 8)) + "px";
    tip.style.top = (e.clientY + 20 + box.height > innerHeight ? e.clientY - box.height - 10 : e.clientY + 18) + "px";
  }

  function copyReplay(button) {
    const code = document.getElementById("replay");
    const done = () => { button.textContent = "copied"; setTimeout(() => { button.textContent = "copy"; }, 1500); };
    const byHand = () => {
      const range = document.createRange();
      range.selectNodeContents(code);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      if (document.execCommand("copy")) done();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(done, byHand);
    else byHand();
  }

  function start() {
    for (const el of document.querySelectorAll(".toolbar, .locks, .jump, #copy")) el.hidden = false;
    const copy = document.getElementById("copy");
    if (copy) copy.addEventListener("click", () => copyReplay(copy));
    if (!shown) return;
    figures.forEach(listen);
    const chooser = document.getElementById("lock");
    if (chooser) chooser.addEventListener("change", () => select(chooser.value));
    for (const b of document.querySelectorAll("[data-do]")) b.addEventListener("click", () => actions[b.dataset.do](shown));
    for (const b of document.querySelectorAll(".jump")) {
      b.addEventListener("click", () => {
        select(b.dataset.picture);
        look(shown, +b.dataset.a, +b.dataset.b);
        shown.root.scrollIntoView({ block: "center", behavior: "smooth" });
      });
    }
    for (const row of document.querySelectorAll("tr[data-at]")) {
      row.addEventListener("click", () => {
        select(figures[0].root.dataset.index);
        const half = (shown.b - shown.a) / 2;
        look(shown, +row.dataset.at - half, +row.dataset.at + half);
        shown.root.scrollIntoView({ block: "center", behavior: "smooth" });
      });
    }
    addEventListener("keydown", (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
      const action = keys[e.key];
      if (!action) return;
      actions[action](shown);
      e.preventDefault();
    });
    document.addEventListener("mousemove", showTip);
    select(figures[0].root.dataset.index);
  }
  start();
})();
