"use strict";
// The player: plays the video from the moment of the address (#t=12.5), with captions, boxes and keys.
// Others move it by `seek`, and hear of it by the event "moment" of the document.
const watch = document.getElementById("watch");
const seek = watch ? player(JSON.parse(document.getElementById("watched").textContent)) : null;

function player(watched) {
  const video = watch.querySelector("video"), stage = document.getElementById("stage"), place = stage.parentElement;
  const wrong = document.getElementById("wrong"), everywhere = document.getElementById("everywhere");
  const told = (at) => document.dispatchEvent(new CustomEvent("moment", { detail: at }));

  // on a page from a server, the server hands out the video by its key
  const sources = location.protocol === "file:" ? [...watched.sources]
    : watched.sources.map((source) => source.startsWith("proxies/") ? source : `media/${encodeURIComponent(watched.video)}`);
  let wanted = null;
  const load = () => {
    const source = sources.shift();
    if (!source) { wrong.hidden = false; stage.hidden = true; return; }
    video.src = source;
    if (wanted !== null) video.currentTime = wanted;
  };
  video.addEventListener("error", load);
  // a file whose picture cannot be decoded plays as sound alone, without an error
  video.addEventListener("loadedmetadata", () => { if (watched.picture && !video.videoWidth) load(); });

  const move = (at, play = false) => {
    at = Math.min(Math.max(at, 0), watched.duration);
    wanted = at;
    video.currentTime = at;
    dismissed = false;
    if (play) video.play().catch(() => {});
    told(at);
  };
  const seek = (at, play) => { history.replaceState(null, "", `#t=${Number(at.toFixed(2))}`); move(at, play); };
  const follow = () => {
    const found = /(?:^|&)t=(?:npt:)?([\d:.]+)/.exec(location.hash.slice(1));
    const at = found ? found[1].split(":").reduce((sum, part) => 60 * sum + Number(part), 0) : NaN;
    if (Number.isFinite(at)) move(at);
  };

  const picker = document.getElementById("captions");
  const texts = [...document.querySelectorAll("[data-texts]")].filter((list) => list.querySelector("[data-to]"));
  const choices = [...watched.captions, ...texts.map((list) => ({ name: list.dataset.texts, list }))];
  const tracks = choices.map(({ name }, index) => {
    picker.append(new Option(name, index));
    return video.addTextTrack("captions", name);
  });
  const plain = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);
  const cuesOf = ({ cues, list }) => cues ?? [...list.querySelectorAll("[data-to]")].map((item) => [
    1000 * Number(item.firstElementChild.hash.slice(3)), 1000 * Number(item.dataset.to), plain(item.lastElementChild.firstChild.data),
  ]);
  let spoken = 0;
  const caption = (index) => {
    if (index >= 0) spoken = index;
    tracks.forEach((track, other) => { track.mode = other === index ? "showing" : "disabled"; });
    if (index >= 0 && !tracks[index].cues.length) {
      for (const [from, to, text] of cuesOf(choices[index])) if (from < to) tracks[index].addCue(new VTTCue(from / 1000, to / 1000, text));
    }
    picker.value = index;
  };
  picker.addEventListener("change", () => caption(Number(picker.value)));
  // the player of the browser has a menu of its own
  video.textTracks.addEventListener("change", () => caption(tracks.findIndex((track) => track.mode === "showing")));
  caption(watched.captions.length ? 0 : -1);

  const boxes = overlay(watched, video, stage);

  const full = () => document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen();
  document.getElementById("full").addEventListener("click", full);
  const toggle = () => video.paused ? video.play().catch(() => {}) : video.pause();
  const by = (step) => seek(video.currentTime + step);
  const loud = (step) => { video.volume = Math.min(Math.max(video.volume + step, 0), 1); };
  const fast = (factor) => { video.playbackRate = Math.min(Math.max(video.playbackRate * factor, 0.25), 4); };
  const keys = {
    " ": toggle, k: toggle, ArrowLeft: () => by(-5), ArrowRight: () => by(5), j: () => by(-10), l: () => by(10),
    ",": () => by(-1 / watched.fps), ".": () => by(1 / watched.fps), "<": () => fast(1 / Math.SQRT2), ">": () => fast(Math.SQRT2),
    m: () => { video.muted = !video.muted; }, c: () => caption(Number(picker.value) < 0 && tracks.length ? spoken : -1),
    b: boxes.toggle, f: full, ArrowUp: () => loud(0.1), ArrowDown: () => loud(-0.1), Home: () => seek(0), End: () => seek(watched.duration),
  };
  for (let tenth = 0; tenth < 10; tenth++) keys[tenth] = () => seek(watched.duration * tenth / 10);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(keys, event.key)) return;
    const at = event.target, inside = watch.contains(at), free = at === video || at === document.body;
    if (!inside && !everywhere.checked) return;
    // fields take what is typed, controls are worked with the space bar and arrows, and up and down scroll the page
    if (at.closest("input:not([type=checkbox]), select, textarea")) return;
    if (!free && (event.key === " " || event.key.length > 1)) return;
    if (at !== video && ["ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  }, true);

  // what is played stays in sight
  let dismissed = false, away = false;
  const dock = () => stage.classList.toggle("docked", away && !dismissed && !stage.hidden && (!video.paused || video.currentTime > 0));
  new IntersectionObserver(([seen]) => { away = !seen.isIntersecting; dock(); }).observe(place);
  document.getElementById("undock").addEventListener("click", () => { dismissed = true; video.pause(); dock(); });
  for (const name of ["play", "pause", "seeked"]) video.addEventListener(name, dock);

  video.addEventListener("timeupdate", () => { if (!video.paused) told(video.currentTime); });
  addEventListener("hashchange", follow);
  load();
  follow();
  return seek;
}

// Boxes over the picture: one layer for each analyzer, with a switch.
function overlay(watched, video, stage) {
  const area = document.getElementById("boxes"), switches = document.getElementById("layers");
  const layers = watched.layers.map(({ name, labels, step, every, boxes: written }, hue) => {
    const boxes = Int32Array.from(written), next = new Int32Array(boxes.length / 8).fill(-1), last = new Map();
    for (let row = 0; row < next.length; row++) {
      if (row) boxes[8 * row] += boxes[8 * row - 8];
      const track = boxes[8 * row + 3], before = last.get(track);
      if (!step || track < 0) continue;
      if (before !== undefined && boxes[8 * row] - boxes[8 * before] <= 2.5 * step) next[before] = row;
      last.set(track, row);
    }
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
    const label = document.createElement("label"), colour = document.createElement("i");
    colour.className = `on${hue % 6}`;
    label.append(box, colour, every > 1 ? `${name} (1 of ${every})` : name);
    switches.append(label);
    box.addEventListener("change", () => draw(true));
    return { box, labels, boxes, next, hue: hue % 6 };
  });
  switches.hidden = !layers.length;

  // a thing that was seen in two pictures is drawn between its two places
  const placed = ({ boxes, next }, row, at) => {
    const here = boxes.subarray(8 * row + 4, 8 * row + 8), then = next[row];
    if (then < 0) return here;
    const share = Math.min(Math.max((at - boxes[8 * row]) / (boxes[8 * then] - boxes[8 * row]), 0), 1);
    return here.map((value, place) => value + (boxes[8 * then + 4 + place] - value) * share);
  };
  const found = (layer, at) => {
    const rows = [];
    for (let row = 0; row < layer.next.length && layer.boxes[8 * row] <= at; row++) {
      const from = layer.boxes[8 * row], then = layer.next[row];
      if (at < (then < 0 ? from + layer.boxes[8 * row + 1] : layer.boxes[8 * then])) rows.push(row);
    }
    return rows;
  };
  let above = 1000; // in thousandths of the height: boxes from there on have room for a name over them
  const fit = () => {
    const wide = video.videoWidth || 16, tall = video.videoHeight || 9;
    const scale = Math.min(stage.clientWidth / wide, stage.clientHeight / tall);
    const width = wide * scale, height = tall * scale;
    above = 1000 * 22 / height;
    Object.assign(area.style, {
      width: `${width}px`, height: `${height}px`,
      left: `${(stage.clientWidth - width) / 2}px`, top: `${(stage.clientHeight - height) / 2}px`,
    });
  };
  let drawn = -1;
  const draw = (again) => {
    const at = video.currentTime * 100;
    if (at === drawn && !again) return;
    drawn = at;
    area.replaceChildren(...layers.filter(({ box }) => box.checked).flatMap((layer) => found(layer, at).map((row) => {
      const [left, top, width, height] = placed(layer, row, at), box = document.createElement("i"), text = layer.labels[layer.boxes[8 * row + 2]];
      // the name is over the box, not over what it names
      box.className = `on${layer.hue}${top >= above ? " roomy" : ""}`;
      Object.assign(box.style, { left: `${left / 10}%`, top: `${top / 10}%`, width: `${width / 10}%`, height: `${height / 10}%` });
      if (text) box.append(Object.assign(document.createElement("b"), { textContent: text }));
      return box;
    })));
  };
  const loop = () => { draw(); if (!video.paused) requestAnimationFrame(loop); };
  video.addEventListener("play", loop);
  video.addEventListener("seeked", () => draw(true));
  video.addEventListener("loadeddata", () => { fit(); draw(true); });
  new ResizeObserver(fit).observe(stage);
  return {
    toggle: () => {
      const on = !layers.some(({ box }) => box.checked);
      for (const { box } of layers) box.checked = on;
      draw(true);
    },
  };
}
