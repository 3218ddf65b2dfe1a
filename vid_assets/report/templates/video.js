"use strict";
// The timeline: tells what happens where you point, and shows where the player is.
const moved = typeof seek === "function" ? seek : null;
const box = document.getElementById("lanes"), readout = document.getElementById("readout");
if (box) {
  const duration = Number(box.dataset.duration), slider = document.getElementById("at"), cursor = document.getElementById("cursor");
  const playhead = document.getElementById("playhead");
  const first = box.querySelector(".track");
  const clock = (s) => `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, "0")}`;
  const lanes = [...box.querySelectorAll(".analyzer .lane[data-name]")].map((lane) => ({
    lane,
    name: lane.dataset.name,
    of: lane.closest("[data-analyzer]").getAttribute("aria-label"),
    band: Boolean(lane.querySelector(".band")),
    bars: [...lane.querySelectorAll("i")].map((bar) => ({
      from: parseFloat(bar.style.left) * duration / 100,
      to: (parseFloat(bar.style.left) + parseFloat(bar.style.width)) * duration / 100,
      text: bar.dataset.t,
    })),
    points: [...lane.querySelectorAll("polyline")].flatMap((line) => [...line.points].map((p) => [p.x * duration / 1000, p.y])),
  }));
  const said = (lane, at) => {
    if (lane.points.length) {
      const near = lane.points.reduce((best, p) => Math.abs(p[0] - at) < Math.abs(best[0] - at) ? p : best);
      if (Math.abs(near[0] - at) > duration / 50) return "";
      const low = Number(lane.lane.dataset.low), high = Number(lane.lane.dataset.high);
      return `${(low + (1 - (near[1] - 2) / 32) * (high - low)).toPrecision(3)} ${lane.lane.dataset.unit}`;
    }
    const close = duration / 400, texts = lane.bars.filter((bar) => bar.from - close <= at && at <= bar.to + close).map((bar) => bar.text);
    return [...new Set(texts)].slice(0, lane.band ? 1 : 3).join("; ");
  };
  const put = (line, at) => {
    const area = first.getBoundingClientRect(), frame = box.getBoundingClientRect();
    line.hidden = false;
    line.style.left = `${area.left - frame.left - box.clientLeft + area.width * at / duration}px`;
  };
  const slide = (at) => {
    slider.value = at;
    slider.setAttribute("aria-valuetext", `${at.toFixed(1)} seconds`);
  };
  const show = (at, here) => {
    at = Math.min(Math.max(at, 0), duration);
    readout.hidden = false;
    put(cursor, at);
    slide(at);
    const parts = [Object.assign(document.createElement("b"), { textContent: clock(at) })];
    for (const lane of lanes) {
      const text = said(lane, at);
      if (!text || (lane.points.length && lane.lane !== here)) continue;
      const name = lane.name === lane.of ? lane.of : `${lane.of}, ${lane.name}`;
      parts.push(Object.assign(document.createElement("span"), { textContent: text === lane.name ? name : `${name}: ${text}`, className: lane.lane === here ? "here" : "" }));
    }
    const hot = parts.findIndex((part) => part.className === "here");
    if (hot > 0) parts.splice(1, 0, ...parts.splice(hot, 1));
    readout.replaceChildren(...parts.slice(0, 14));
  };
  const timeOf = (event) => {
    const area = first.getBoundingClientRect();
    if (event.target === slider || event.clientX < area.left || event.clientX > area.right) return null;
    return (event.clientX - area.left) / area.width * duration;
  };
  const point = (event) => {
    const at = timeOf(event);
    if (at !== null) show(at, event.target.closest(".lane[data-name]"));
  };
  const hide = () => { cursor.hidden = readout.hidden = true; };
  box.addEventListener("pointermove", point);
  box.addEventListener("pointerdown", point);
  // a finger leaves as soon as it is lifted; what it has asked for stays until it taps elsewhere
  box.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") hide(); });
  document.addEventListener("pointerdown", (event) => { if (!box.contains(event.target) && !readout.contains(event.target)) hide(); });
  slider.addEventListener("input", () => show(Number(slider.value), null));
  slider.addEventListener("blur", hide);

  if (moved) {
    slider.addEventListener("change", () => moved(Number(slider.value)));
    box.addEventListener("click", (event) => {
      const at = timeOf(event);
      if (at !== null && event.target.closest(".track")) moved(at, true);
    });
  }
  const lines = [...document.querySelectorAll(".lines")].map((list) => ({
    list,
    items: [...list.children].map((item) => ({ item, at: Number(item.firstElementChild.hash.slice(3)) })),
    now: null,
  }));
  const mark = (at) => {
    for (const entry of lines) {
      if (!entry.list.parentElement.open) continue;
      const now = entry.items.findLast((line) => line.at <= at)?.item ?? null;
      if (now === entry.now) continue;
      entry.now?.classList.remove("now");
      now?.classList.add("now");
      entry.now = now;
      if (now && !entry.list.matches(":hover, :focus-within")) entry.list.scrollTop = now.offsetTop - entry.list.offsetTop - 40;
    }
  };
  document.addEventListener("moment", ({ detail: at }) => {
    put(playhead, at);
    if (document.activeElement !== slider) slide(at);
    mark(at);
  });
  addEventListener("resize", () => { if (!playhead.hidden) put(playhead, Number(slider.value)); });

  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#t="]');
    const words = event.target.closest("[data-words]");
    if (!link && !words) return;
    const at = link ? Number(link.hash.slice(3)) : wordAt(words, event);
    if (at === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (moved) moved(at, true);
    else { slider.scrollIntoView({ block: "center" }); slider.focus(); show(at, null); }
  });
}

// The time of the word that was clicked: its place is the number of spaces before it.
function wordAt(words, event) {
  const place = document.caretPositionFromPoint?.(event.clientX, event.clientY);
  const range = place ? { node: place.offsetNode, offset: place.offset } : (() => {
    const found = document.caretRangeFromPoint?.(event.clientX, event.clientY);
    return found && { node: found.startContainer, offset: found.startOffset };
  })();
  if (!range || range.node !== words.firstChild) return null;
  const before = words.firstChild.data.slice(0, range.offset).split(" ").length - 1;
  return Number(words.dataset.words.split(" ")[before]);
}
