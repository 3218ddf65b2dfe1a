"use strict";
const box = document.getElementById("lanes"), readout = document.getElementById("readout");
if (box) {
  const duration = Number(box.dataset.duration), slider = document.getElementById("at"), cursor = document.getElementById("cursor");
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
  const show = (at, here) => {
    at = Math.min(Math.max(at, 0), duration);
    const area = first.getBoundingClientRect(), frame = box.getBoundingClientRect();
    cursor.hidden = readout.hidden = false;
    cursor.style.left = `${area.left - frame.left - box.clientLeft + area.width * at / duration}px`;
    slider.value = at;
    slider.setAttribute("aria-valuetext", `${at.toFixed(1)} seconds`);
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
  const point = (event) => {
    if (event.target === slider) return;
    const area = first.getBoundingClientRect();
    if (event.clientX < area.left || event.clientX > area.right) return;
    show((event.clientX - area.left) / area.width * duration, event.target.closest(".lane[data-name]"));
  };
  box.addEventListener("pointermove", point);
  box.addEventListener("pointerdown", point);
  // a finger leaves as soon as it is lifted; what it has asked for stays until it taps elsewhere
  box.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") cursor.hidden = readout.hidden = true; });
  document.addEventListener("pointerdown", (event) => { if (!box.contains(event.target) && !readout.contains(event.target)) cursor.hidden = readout.hidden = true; });
  slider.addEventListener("input", () => show(Number(slider.value), null));
  slider.addEventListener("blur", () => { cursor.hidden = readout.hidden = true; });
  for (const button of document.querySelectorAll("button[data-at]")) {
    button.addEventListener("click", () => { slider.scrollIntoView({ block: "center" }); slider.focus(); show(Number(button.dataset.at), null); });
  }
}
